"""Writes docs/parity.md: the suites on the local mesh and on a real Istio, verdict by verdict.

    python docs/parity.py reports/junit.xml reports/junit-cluster.xml

Exit status 1 if a verdict differs, or a test did not run on the cluster for another reason than what a cluster lacks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PAGE = Path(__file__).parent / "parity.md"
HEAD = """# The same tests on both meshes

What each test of `suites/` came to on the local mesh, and on a real Kubernetes with a real Istio (injection, mutual TLS, istiod's own
configuration): verdicts, requests, and what was observed. `tox -e testbed` runs both and writes this page.
"""
# Why a verdict is known to differ, by the test's file and name.
REASONS: Mapping[tuple[str, str], str] = {}
PASSED, FAILED, SKIPPED, ABSENT = "passed", "failed", "skipped", "not run"


@dataclass(frozen=True)
class Outcome:
    """What a test came to: its status, why if it was skipped, its findings."""

    status: str = ABSENT
    why: str = ""
    findings: Sequence[Mapping[str, Any]] = ()

    @property
    def verdicts(self) -> list[str]:
        """In the order in which they were reached, those of wrong meshes together."""
        right = [str(each["verdict"]) for each in self.findings if not each["control"]]
        wrong = [each["verdict"] == "VIOLATED" for each in self.findings if each["control"]]
        return [*right, *([f"{sum(wrong)} of {len(wrong)} noticed"] if wrong else [])]

    @property
    def requests(self) -> int:
        """That decided."""
        return sum(int(each["requests"]) for each in self.findings)

    def __str__(self) -> str:
        if self.status != PASSED:
            return f"{self.status}: {self.why}" if self.why else self.status
        seen = [str(each["observed"]) for each in self.findings if not each["control"] and each["observed"]]
        return "; ".join(filter(None, [", ".join(self.verdicts) or PASSED, *seen, _requests(self.requests)]))


def _requests(number: int) -> str:
    return f"{number} requests" if number else ""


def outcomes(report: Path) -> dict[tuple[str, str], Outcome]:
    """By module and test."""
    return {
        (case.get("classname", "").replace(".", "/") + ".py", case.get("name", "")): _outcome(case)
        for case in ElementTree.parse(report).iter("testcase")
    }


def _outcome(case: ElementTree.Element) -> Outcome:
    found = [json.loads(each.get("value", "{}")) for each in case.iter("property") if _is_finding(each)]
    for status, tags in ((FAILED, ("failure", "error")), (SKIPPED, ("skipped",))):
        for each in (case.find(tag) for tag in tags):
            if each is not None:
                return Outcome(status, (each.get("message") or "").splitlines()[0][:200], found)
    return Outcome(PASSED, "", found)


def _is_finding(each: ElementTree.Element) -> bool:
    return each.get("name", "").endswith(".finding")


def differs(local: Outcome, cluster: Outcome) -> bool:
    """Whether the two do not say the same; a test that a mesh lacks something for says nothing there."""
    if SKIPPED in (local.status, cluster.status):
        return False
    return (local.status, local.verdicts) != (cluster.status, cluster.verdicts)


def page(local: Mapping[tuple[str, str], Outcome], cluster: Mapping[tuple[str, str], Outcome]) -> Iterator[str]:
    """The page, line by line: the count, what differs and why, and all the rest by module."""
    keys = list(dict.fromkeys([*local, *cluster]))
    pairs = {key: (local.get(key, Outcome()), cluster.get(key, Outcome())) for key in keys}
    both = [pair for pair in pairs.values() if SKIPPED not in (pair[0].status, pair[1].status)]
    same = sum(not differs(*pair) for pair in both)
    yield HEAD
    yield f"**{same} of {len(both)}** tests that both can run say the same; {len(pairs) - len(both)} need what one of the meshes lacks.\n"
    yield "## What differs\n"
    yield from _table((key, pair) for key, pair in pairs.items() if differs(*pair)) or ["Nothing.\n"]
    known = [(key, REASONS[key]) for key, pair in pairs.items() if differs(*pair) and key in REASONS]
    yield from [f"* `{module}::{test}`: {reason}." for (module, test), reason in known]
    yield ""
    yield "## What one of them cannot do\n"
    yield from _table((key, pair) for key, pair in pairs.items() if SKIPPED in (pair[0].status, pair[1].status))
    for module in dict.fromkeys(module for module, _ in pairs):
        rows = [(key, pair) for key, pair in pairs.items() if key[0] == module and pair in both and not differs(*pair)]
        if rows:
            yield f"## [{module.removeprefix('suites/').removesuffix('.py')}](../{module})\n"
            yield from _table(rows)


Row = tuple[tuple[str, str], tuple[Outcome, Outcome]]


def _table(rows: Any) -> list[str]:
    found: list[Row] = list(rows)
    if not found:
        return []
    lines = ["| test | local mesh | cluster |", "|---|---|---|"]
    lines += [f"| {_cell(key[1])} | {_cell(str(pair[0]))} | {_cell(str(pair[1]))} |" for key, pair in found]
    return [*lines, ""]


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def main(arguments: Sequence[str]) -> int:
    """Write the page; 1 if something differs."""
    local, cluster = map(outcomes, map(Path, arguments))
    PAGE.write_text("\n".join(page(local, cluster)), encoding="utf-8")
    wrong = [key for key in local if differs(local[key], cluster.get(key, Outcome()))]
    for module, test in wrong:
        print(f"{module}::{test}: {local[module, test]} | {cluster.get((module, test), Outcome())}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
