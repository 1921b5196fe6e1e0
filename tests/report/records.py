"""Records of runs that never were: invented answers, judged for real."""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Sequence
from typing import Any

from meshtest.evidence import finding
from meshtest.judging.ejects import Round, ejects
from meshtest.judging.split import Split, split
from meshtest.judging.trips import Load, trips
from meshtest.judging.verdict import Judgement
from meshtest.meshes.protocol import Destination, Rule
from meshtest.report.record import PASSED, VIOLATED, Missing, Policy, Record, Run, Test
from meshtest.traffic.request import GET
from meshtest.traffic.sample import Sample

MANIFEST = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts:
  - "*"
  http:
  - route:
    - destination:
        host: reviews
        subset: v1
      weight: 80
    - destination:
        host: reviews
        subset: v2
      weight: 20
  - fault:
      abort:
        httpStatus: 503
"""
POLICY = Policy("VirtualService", "default/reviews", "canary.yaml", 1, MANIFEST)
BREAKER = Policy(
    "DestinationRule",
    "default/reviews",
    "breaker.yaml",
    1,
    "kind: DestinationRule\nspec:\n  host: reviews\n  trafficPolicy:\n    connectionPool: {tcp: {maxConnections: 1}}\n  subsets: []\n",
)
RULE = Rule(
    "VirtualService default/reviews",
    0,
    "canary.yaml:9",
    (Destination("reviews", "v1", 0.8), Destination("reviews", "v2", 0.2)),
)


def split_finding(share: float = 0.2, seed: int = 1, control: str = "", request: str = "/reviews/0") -> dict[str, Any]:
    """A finding of a split of 80/20 in a mesh that sends `share` to v2."""
    chance, expected, versions = random.Random(seed), split(v1=80, v2=20, within=10), list[str]()
    trial = expected.begin()
    while trial.verdict is None:
        more = ["v2" if chance.random() < share else "v1" for _ in range(50)]
        versions += more
        trial.test.observe_many(more)
    return _plain(expected, trial.judgement(), sample(versions), control, request)


def sample(versions: Sequence[str]) -> Sample:
    """Answers 200 of these versions, each in 2 ms."""
    size = len(versions)
    times = array("d", [0.001 * n for n in range(size)]), array("d", [0.002] * size)
    return Sample(*times, array("H", [200] * size), list(versions), [None] * size)


def exact_findings() -> list[dict[str, Any]]:
    """Findings of a limit that trips and of an ejection, with their times."""
    load = Load(["held", "waits", "refused"], ["200 -", "200 -", "503 UO overflow"], [0.1, 0.2, 0.3])
    limits = trips(connections=1, pending=1)
    rounds = [Round("reviews-v1-a", 3, True, True, frozenset({"reviews-v1-a"}), {}, {}, (1.0, 1.5))]
    hosts = ejects(3)
    empty = sample([])
    return [
        _plain(limits, limits.judge([load]), empty, "", "/"),
        _plain(hosts, hosts.judge(rounds, 1), empty, "", "/"),
    ]


def _plain(expected: Any, judged: Judgement, seen: Sample, control: str, request: str) -> dict[str, Any]:
    versions = True if isinstance(expected, Split) else None
    found = finding("the ingress gateway", GET(request), expected, judged, RULE, seen, 0.5, control, versions)
    plain: dict[str, Any] = json.loads(found.as_json())
    return plain


def passed(number: int, **more: Any) -> Test:
    """A test of a split that holds, with its control."""
    findings = (split_finding(seed=number), split_finding(0.35, number, "v2 at 30 % instead of 20 %"))
    given = {"findings": findings, "policies": (0,), "doc": f"Share number {number} is as configured.", **more}
    file = f"suites/theme{number % 7}/test_{number}.py"
    return Test(f"{file}::test_share_{number}", file, 5, PASSED, seconds=0.7, command=f"pytest {file}", **given)


def violated(number: int = 0, **more: Any) -> Test:
    """A test that found a policy that does not hold."""
    found = split_finding(0.5, number)
    given = {"findings": (found,), "policies": (0,), "why": found["reason"], "failure": "VIOLATED: ...", **more}
    return Test("suites/red/test_red.py::test_red", "suites/red/test_red.py", 5, VIOLATED, seconds=1.2, **given)


def run(**more: Any) -> Run:
    """A run on the local mesh."""
    versions = {"Envoy": "1.40.0", "meshtest": "0.1.0", "Python": "3.11.7"}
    given = {"command": "pytest suites -n 2", "began": "2026-01-02T03:04:05+01:00", "seconds": 12.5, **more}
    return Run("local", versions, **{"exit": 0, "ended": "passed", "collected": 3, **given})


def record(*tests: Test, **more: Any) -> Record:
    """A record of these tests."""
    return Record(run(**more), tests, (POLICY, BREAKER))


def incomplete() -> Record:
    """A record with everything that can be in one."""
    exact = Test(
        "test_exact.py::test_exact", "test_exact.py", 1, PASSED, policies=(0, 1), findings=tuple(exact_findings())
    )
    missing = (Missing("test_late.py::test_late", "it did not run"),)
    return record(passed(1), violated(), exact, missing=missing, exit=2, ended="interrupted")
