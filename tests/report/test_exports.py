"""What other programs read of a run."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from meshtest.report.comparison import compare
from meshtest.report.exports import Exports
from meshtest.report.github import annotated
from meshtest.report.markdown import MOST, summary
from meshtest.report.openmetrics import metrics
from meshtest.report.record import BROKEN, PASSED, VIOLATED, Missing

from .exported import finding, one, record

RED = record(
    one("test_split", VIOLATED, finding("VIOLATED"), why="v1 got 60 %"),
    one("test_control", PASSED, finding("VIOLATED", control="v1 85 %"), finding("HOLDS", control="v1 75 %")),
    one("test_gateway", BROKEN, why="Envoy did not start"),
    missing=(Missing("test_canary.py::test_late", "it did not run"),),
    exit=1,
)


def test_summary() -> None:
    """The sentence first, then what is red and how to run it again, then all verdicts."""
    text = summary(RED, compare(RED, record(one("test_split"))))
    assert text.startswith("## 1 of 3 tests found a policy that does not hold on the local mesh \\(Envoy 1.40.0\\).\n")
    assert "* ❌ `test_canary.py::test_split`: v1 got 60 %<br>VirtualService default/reviews" in text
    assert "again: `pytest test_canary.py::test_split`" in text
    assert "newly red: test\\_canary.py::test\\_split" in text
    assert "1 of 2 wrong meshes noticed | 200 |" in text
    assert "* `test_canary.py::test_late`: it did not run" in text


def test_summary_of_many() -> None:
    """It ends, and says that there is more."""
    text = summary(record(*(one(f"t{number}", PASSED, finding()) for number in range(MOST + 5))))
    assert "5 more are in the report" in text


@given(st.text(), st.text())
def test_no_text_breaks_the_table(name: str, text: str) -> None:
    """Whatever stands in a name or a figure, a row stays a row, and no markup of theirs becomes ours."""
    made = summary(record(one(f"m::{name}", PASSED, finding(observed=text))))
    rows = [line for line in made.split("\n") if line.startswith("|")]
    assert len(rows) == 3
    bars = [sum(1 for at, sign in enumerate(row) if sign == "|" and row[at - 1 : at] != "\\") for row in rows]
    assert bars[0] == bars[1] == 8
    assert bars[2] <= 8
    assert "<script" not in made.replace("\\<", "")


def test_metrics() -> None:
    """prometheus-client's own parser reads them."""
    text = metrics(RED)
    assert text.endswith("# EOF\n")
    found = {sample.name: {} for family in text_string_to_metric_families(text) for sample in family.samples}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    assert found["meshtest_run_info"] == {(("envoy_version", "1.40.0"), ("mesh", "local")): 1}
    assert found["meshtest_tests"][(("outcome", "violated"),)] == 1
    assert found["meshtest_tests"][(("outcome", "missing"),)] == 1
    shares = {dict(key)["value"]: value for key, value in found["meshtest_share_ratio"].items()}
    assert shares == {"configured": 0.8, "observed": 0.81, "low": 0.7, "high": 0.9}
    verdicts = {dict(key)["meshtest_verdict"]: value for key, value in found["meshtest_verdict"].items()}
    assert verdicts == {"HOLDS": 0, "VIOLATED": 1, "UNDECIDED": 0}
    controls = {dict(key)["noticed"]: value for key, value in found["meshtest_controls"].items()}
    assert controls == {"true": 1, "false": 1}


@given(st.text(), st.text())
def test_metrics_of_any_text(name: str, request: str) -> None:
    """They stay readable whatever stands in them."""
    made = metrics(record(one(f"m::{name}", PASSED, finding(request=request, latency=(0.01, 0.02)))))
    found = [sample for family in text_string_to_metric_families(made) for sample in family.samples]
    assert f"m::{name}" in {sample.labels.get("test") for sample in found}
    assert request in {sample.labels.get("request") for sample in found}


def test_annotations() -> None:
    """At the line of the rule that decides, where one is known; else at the test."""
    split, gateway = annotated(RED)
    assert split == "::error file=canary.yaml,line=27,title=VIOLATED%3A test_canary.py%3A%3Atest_split::v1 got 60 %25"
    assert gateway.startswith("::warning file=test_canary.py,line=9,title=BROKEN")


def test_where_they_go(tmp_path: Path) -> None:
    """Into the folder; the summary is appended to the step's, and only a workflow gets annotations."""
    step, baseline = tmp_path / "step.md", tmp_path / "last.json"
    step.write_text("before\n")
    baseline.write_text(json.dumps(record(one("test_split")).as_json()))
    told = Exports(tmp_path, baseline, {"GITHUB_STEP_SUMMARY": str(step), "GITHUB_ACTIONS": "true"}).write(RED)
    assert step.read_text().startswith("before\n## 1 of 3 tests")
    assert told[0] == "since the baseline (2026-11-28T10:00:00+00:00):"
    assert "  newly red: test_canary.py::test_gateway" in told
    assert told[-2].startswith("::error ")
    assert (tmp_path / "metrics.txt").read_text() == metrics(RED)
    assert Exports(tmp_path, None, {}).write(RED) == []


def test_a_baseline_that_is_none(tmp_path: Path) -> None:
    """It is said which file, and why."""
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json: this is no record of a run"):
        Exports(tmp_path, tmp_path / "x.json")
