"""The record of a run, as plain data and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.report.record import OUTCOMES, Record, Test, read
from tests.report.records import POLICY, incomplete, record, run, split_finding

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TESTS = st.builds(
    Test,
    nodeid=st.text(min_size=1),
    file=st.text(),
    line=st.none() | st.integers(1, 999),
    outcome=st.sampled_from(OUTCOMES),
    why=st.text(),
    findings=st.lists(JSON.map(lambda each: {**split_finding(), "evidence": each}), max_size=2).map(tuple),
    sections=st.lists(st.tuples(st.text(), st.text()), max_size=2).map(tuple),
    policies=st.sampled_from([(), (0,), (1, 0)]),
)


@given(st.lists(TESTS, max_size=3))
def test_there_and_back(tests: list[Test]) -> None:
    """What is written is what is read."""
    whole = record(*tests)
    assert Record.from_json(json.loads(json.dumps(whole.as_json()))) == whole


def test_a_full_record(tmp_path: Path) -> None:
    """One with findings of all kinds survives its file; its counts are there for who reads no further."""
    file = tmp_path / "last.json"
    file.write_text(json.dumps(incomplete().as_json()))
    assert read(file) == incomplete()
    assert json.loads(file.read_text())["counts"] == {"violated": 1, "passed": 2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "last.json: this is no JSON"),
        ("[]", "no record of a run"),
        ("{}", "no record of a run"),
        ('{"format": 7, "run": {}}', "of format 7, and this meshtest reads 1"),
        ('{"format": 1, "run": {}}', "damaged: 'missing'"),
        ('{"format": 1, "run": 3}', "damaged"),
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str, told: str) -> None:
    """The file is named, and what is wrong with it."""
    (tmp_path / "last.json").write_text(text)
    with pytest.raises(ValueError, match=told):
        read(tmp_path / "last.json")


def test_what_does_not_fit_together() -> None:
    """An outcome that there is not, and a policy that is not there, are damage."""
    test = Test("a::b", "a", 1, "passed")
    for wrong in (
        replace(test, outcome="fine"),
        replace(test, policies=(4,)),
        replace(test, findings=({"verdict": "HOLDS"},)),
    ):
        plain: dict[str, Any] = Record(run(), (wrong,), (POLICY,)).as_json()
        with pytest.raises(ValueError, match="damaged"):
            Record.from_json(plain)
