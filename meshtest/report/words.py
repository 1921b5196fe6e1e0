"""The page's sentences: the verdict on a run, what its error rates mean, outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshtest.report.record import BROKEN, FAILED, PASSED, SKIPPED, UNDECIDED, VIOLATED, Record

OUTCOMES = {
    VIOLATED: "a policy does not hold",
    FAILED: "the test itself failed",
    BROKEN: "the surroundings were broken, so that it says nothing about a policy",
    UNDECIDED: "too few requests to tell",
    PASSED: "everything is as stated",
    SKIPPED: "it was not run",
}
"""What an outcome means."""

_NO_POLICY = frozenset({"Gateway", "ServiceEntry", "WorkloadEntry", "WorkloadGroup"})  # they say what there is
_RATES = re.compile(r"([0-9.e+-]+) / ([0-9.e+-]+)")


def headline(record: Record) -> str:
    """The verdict on the run, in a sentence."""
    counts, where = record.counts, mesh(record)
    total = len(record.tests)
    if violated := counts.get(VIOLATED, 0):
        return f"{violated} of {_several(total, 'test')} found a policy that does not hold on {where}."
    if failed := counts.get(FAILED, 0):
        return f"{failed} of {_several(total, 'test')} failed, without a verdict on a policy, on {where}."
    if broken := counts.get(BROKEN, 0):
        return f"Nothing is known of {broken} of {_several(total, 'test')}: the surroundings were broken on {where}."
    if undecided := counts.get(UNDECIDED, 0):
        return f"{undecided} of {_several(total, 'test')} could not decide on {where}."
    if not counts.get(PASSED):
        return f"No test was run on {where}."
    policies = len({(each.kind, each.name, each.text) for each in record.policies if each.kind not in _NO_POLICY})
    told = {0: "what they state holds", 1: "the policy holds"}.get(policies, f"the {policies:,} policies hold")
    passed = "The one test" if counts[PASSED] == 1 else f"All {_several(counts[PASSED], 'test')}"
    return f"{passed} passed: {told} on {where}."


def mesh(record: Record) -> str:
    """`the local mesh (Envoy 1.40.0)`."""
    names = {"local": "the local mesh", "kubernetes": "the Kubernetes mesh"}
    told = [f"{name} {record.run.versions[name]}" for name in ("Envoy", "Istio") if name in record.run.versions]
    return names.get(record.run.mesh, record.run.mesh) + (f" ({', '.join(told)})" if told else "")


def certainty(record: Record) -> str:
    """How far the verdicts of all tests can be trusted."""
    verdicts = [each for test in record.tests for each in test.verdicts]
    controls = [each for test in record.tests for each in test.controls]
    rates = [found for each in verdicts if (found := rates_of(str(each["error_rates"])))]
    exact = len(verdicts) - len(rates)
    said = (
        [_several(len(verdicts), "verdict") + (f", of which {exact} are exact." if exact else ".")] if verdicts else []
    )
    if rates:
        alpha, beta = sum(each[0] for each in rates), max(each[1] for each in rates)
        said.append(
            f"If every policy is right, the chance that any of them is called wrong is {_chance(alpha)} at the most; "
            f"one that is wrong by its margin or more is missed with a chance of {_chance(beta)} at the most."
        )
    if controls:
        noticed = sum(each["verdict"] == VIOLATED.upper() for each in controls)
        said.append(f"{noticed} of {len(controls)} meshes that were made wrong on purpose were noticed.")
    return " ".join(said)


def rates_of(text: str) -> tuple[float, float] | None:
    """The largest alpha and beta in `1e-06 / 0.001`; None where chance plays no part."""
    found = [(float(alpha), float(beta)) for alpha, beta in _RATES.findall(text)]
    return (max(each[0] for each in found), max(each[1] for each in found)) if found else None


def error_rates(text: str) -> str:
    """What the stated probabilities mean."""
    rates = rates_of(text)
    if rates is None:
        return "Exact: chance plays no part." if text == "exact" else text
    right = (
        "never called wrong" if rates[0] == 0 else f"called wrong with a probability of {_chance(rates[0])} at the most"
    )
    return f"A right mesh is {right}; one that is wrong by the margin or more is called right with {_chance(rates[1])} at the most."


def _chance(probability: float) -> str:
    return f"1 in {float(f'{1 / probability:.2g}'):,.0f}" if 0 < probability < 0.5 else f"{probability:g}"


def incomplete(record: Record) -> str:
    """What the run does not tell; empty if it ran to its end."""
    missing = len(record.run.missing)
    if not missing and record.run.ended not in ("interrupted", "internal error"):
        return ""
    why = {"interrupted": "The run was interrupted", "internal error": "pytest ended with an internal error"}
    said = why.get(record.run.ended, "The run is incomplete")
    return f"{said}: of {_several(record.run.collected, 'test')}, {missing:,} did not run to the end, or were not read."


def attention(record: Record) -> list[str]:
    """What else is red, beside what the headline says."""
    _, *others = [outcome for outcome in record.counts if outcome not in (PASSED, SKIPPED)] or [""]
    said = {
        FAILED: "{} failed without a verdict.",
        BROKEN: "{} could say nothing: the surroundings were broken.",
        UNDECIDED: "{} could not decide: too few requests.",
    }
    return [said[each].format(_several(record.counts[each], "test")) for each in others]


def observed(findings: Sequence[Mapping[str, Any]]) -> str:
    """What was seen, for the table of all tests: of verdicts, or how many wrong meshes were noticed."""
    verdicts = [each for each in findings if not each.get("control")]
    if not verdicts and findings:
        noticed = sum(each["verdict"] == VIOLATED.upper() for each in findings)
        return f"{noticed} of {len(findings)} wrong meshes noticed"
    return _joined(str(each["observed"]) for each in verdicts)


def stated(findings: Sequence[Mapping[str, Any]]) -> str:
    """What must hold, for the table of all tests."""
    verdicts = [each for each in findings if not each.get("control")] or findings
    return _joined(str(each["configured"]) for each in verdicts)


def _joined(texts: Iterable[str]) -> str:
    found = list(dict.fromkeys(filter(None, texts)))
    more = f"; and {len(found) - 2} more" if len(found) > 2 else ""
    return "; ".join(found[:2]) + more


def _several(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
