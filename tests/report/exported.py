"""Records made by hand."""

from typing import Any

from meshtest.report.record import PASSED, Missing, Record, Run, Test


def finding(
    verdict: str = "HOLDS", control: str = "", latency: tuple[float, float] | None = None, **more: Any
) -> dict[str, Any]:
    """A finding of a split; `latency` is the median and the ninth decile of 200 answers."""
    row = {} if latency is None else {"name": "v1", "answers": 200, "p50": latency[0], "p90": latency[1], "most": 9.0}
    evidence = {
        "arms": [{"arm": "v1", "configured": 0.8, "observed": 0.81, "interval": [0.7, 0.9]}],
        "path": {"resource": "VirtualService default/reviews", "file": "canary.yaml", "line": 27},
        "latency": {"by": "version", "rows": [row]} if row else None,
    }
    found = {
        "verdict": verdict,
        "control": control,
        "request": "GET /",
        "configured": "v1 80 %",
        "observed": "v1 81 %",
        "requests": 100,
        "error_rates": "1e-06 / 0.001",
        "rule": "VirtualService default/reviews spec.http[0] at canary.yaml:27",
        "evidence": evidence,
    }
    return {**found, **more}


def one(name: str, outcome: str = PASSED, *findings: Any, why: str = "") -> Test:
    """A test of a module."""
    nodeid = name if "::" in name else f"test_canary.py::{name}"
    return Test(nodeid, "test_canary.py", 9, outcome, why, 1.5, command=f"pytest {nodeid}", findings=findings)


def record(*tests: Test, missing: tuple[Missing, ...] = (), exit: int = 0) -> Record:
    """A record of these."""
    run = Run("local", {"Envoy": "1.40.0"}, "pytest suites", "2026-11-28T10:00:00+00:00", 12.5, exit, "", missing)
    return Record(run, tests)
