"""What a finding says beside the verdict: the path of the requests, and how fast they were answered."""

from __future__ import annotations

import json
from array import array

import pytest

from meshtest.evidence import finding
from meshtest.judging.answered import answered
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.meshes.protocol import Destination, Rule
from meshtest.traffic.request import GET
from meshtest.traffic.sample import Sample

RULE = Rule("VirtualService shop/cart", 2, "shop/cart.yaml:17", (Destination("cart", "v1", 1.0),))


def sample(latencies: list[float], versions: list[str | None]) -> Sample:
    """Answers that took so long; 503 where there is no version."""
    status = array("H", [503 if each is None else 200 for each in versions])
    return Sample(array("d", [0.0] * len(versions)), array("d", latencies), status, versions, [None] * len(versions))


def evidence(seen: Sample, rule: Rule | str | None = RULE, versions: bool | None = True) -> dict[str, object]:
    """The evidence of a finding of this sample, as a report gets it."""
    judged = Judgement(Verdict.HOLDS, "fine", len(seen))
    found = finding("the ingress gateway", GET("/"), answered(200), judged, rule, seen, 0.1, versions=versions)
    return dict(json.loads(found.as_json())["evidence"])


def test_the_path() -> None:
    """The rule with its file and line, and where it sends requests; None where no rule is known."""
    assert evidence(sample([], []))["path"] == {
        "source": "the ingress gateway",
        "resource": "VirtualService shop/cart",
        "field": "spec.http[2]",
        "file": "shop/cart.yaml",
        "line": 17,
        "destinations": [{"host": "cart", "subset": "v1", "share": 1.0}],
    }
    assert evidence(sample([], []), "the policies that the test has applied")["path"] is None
    assert evidence(sample([], []), None)["path"] is None


def test_latencies_by_version() -> None:
    """Quantiles are observations, those without a version are told by status; nothing where nobody answered, or it is of no interest."""
    latencies = [n / 100 for n in range(1, 101)]
    seen = sample([*latencies, 0.5], [*["v1"] * 100, None])
    assert evidence(seen)["latency"] == {
        "by": "version",
        "rows": [
            {"name": "503", "answers": 1, "p10": 0.5, "p50": 0.5, "p90": 0.5, "p99": 0.5, "most": 0.5},
            {"name": "v1", "answers": 100, "p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0},
        ],
    }
    assert evidence(seen, versions=None)["latency"] is None
    assert evidence(sample([], []))["latency"] is None


@pytest.mark.parametrize("number", [1, 20])
def test_many_versions(number: int) -> None:
    """What was read is not always a version: by status then; and of many versions those with most answers are told."""
    names: list[str | None] = [f"v{n}" for n in range(number)] * 2
    by_status = evidence(sample([0.1] * len(names), names), versions=False)["latency"]
    assert isinstance(by_status, dict)
    assert [(each["name"], each["answers"]) for each in by_status["rows"]] == [("200", len(names))]
    by_version = evidence(sample([0.1] * len(names), names))["latency"]
    assert isinstance(by_version, dict)
    assert len(by_version["rows"]) == min(number, 8)
