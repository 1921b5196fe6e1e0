"""What a real API server, with Istio's CRDs and istiod's webhook, answered to right specs and to changes of them (`asking.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshtest.resources.manifest import examine, read_objects
from tests.resources.changes import POOLS, changed

FILES = {file.stem: json.loads(file.read_text()) for file in sorted(Path(__file__).with_name("answers").glob("*.json"))}


def cases(answers: dict[str, Any]) -> Iterator[tuple[bool, Any]]:
    """Whether it was accepted, and the spec."""
    whole = answers["spec"]
    yield True, whole
    for pointer, pools in answers["pools"].items():
        for pool, bits in pools.items():
            for bit, value in zip(bits, POOLS[pool], strict=True):
                yield bit == "+", changed(whole, pointer, value)
    for accepted, pointer, *value in answers["others"]:
        yield accepted, changed(whole, pointer, *value)


@pytest.mark.parametrize(
    ("name", "index"), [(name, index) for name, given in FILES.items() for index in range(len(given["specs"]))]
)
def test_as_the_api_server(name: str, index: int) -> None:
    """What it accepted is accepted, and what it refused is refused; what is not implemented does not count."""
    given = FILES[name]
    head = {"apiVersion": given["apiVersion"], "kind": given["kind"], "metadata": {"name": "it"}}
    differ = []
    for accepted, spec in cases(given["specs"][index]):
        _, problems = examine(read_objects([{**head, "spec": spec}]))
        said = [str(problem) for problem in problems if not problem.unsupported]
        if accepted == bool(said):
            differ.append(f"{'accepted' if accepted else 'refused'}: {json.dumps(spec)}: here {said}")
    assert differ == []


def test_there_are_answers() -> None:
    """Both kinds of answers are there for each kind of resource."""
    assert len(FILES) >= 22
    for name, given in FILES.items():
        found = [accepted for answers in given["specs"] for accepted, _ in cases(answers)]
        assert 10 < sum(found) < len(found) - 10, name
