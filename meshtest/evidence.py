"""What was found, as plain data for reports and as text for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from meshtest.judging.verdict import Judgement, Verdict
from meshtest.meshes.protocol import Rule
from meshtest.redaction import redacted, redacted_value
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample
from meshtest.traffic.tcp import TCP


class Stated(Protocol):
    """What a finding says of an expectation, of whatever kind; `str` of it completes the sentence "the traffic must be ..."."""

    @property
    def configured(self) -> str:
        """The configured figures in short."""

    @property
    def error_rates(self) -> str:
        """The stated probabilities of a wrong verdict."""


@dataclass(frozen=True)
class Finding:
    """One expectation's outcome: plain data only, so that it survives pytest-xdist and goes into every report."""

    verdict: str
    source: str
    request: str
    expectation: str
    configured: str
    observed: str
    requests: int
    error_rates: str
    seconds: float
    reason: str
    rule: str
    statuses: Mapping[str, int]
    transport_errors: Mapping[str, int]
    control: str
    evidence: Mapping[str, Any] = field(repr=False)

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def properties(self) -> dict[str, str]:
        """The figures that a person looks for, each a text, as JUnit's properties want them."""
        names = (
            "verdict",
            "expectation",
            "configured",
            "observed",
            "error_rates",
            "request",
            "source",
            "rule",
            "reason",
            "control",
        )
        return {name: str(getattr(self, name)) for name in names} | {
            "requests": str(self.requests),
            "seconds": f"{self.seconds:.3f}",
        }

    def message(self) -> str:
        """The failure as a person reads it."""
        sent = sum(self.statuses.values()) + sum(self.transport_errors.values())
        lines = [f"{self.verdict}: {self.request} through {self.source} must be {self.expectation}", ""]
        lines += [f"  {line}" for line in _table(self._rows())]
        lines += ["", f"  why:      {self.reason}"]
        lines += [
            f"  requests: {self.requests} decided; {sent} sent in {self.seconds:.2f} s, statuses {_counted(self.statuses)}"
        ]
        lines += [
            f"  errors:   a right mesh is called wrong, and one wrong by the margin right, with probabilities {self.error_rates}"
        ]
        lines += [f"  rule:     {self.rule}"]
        lines += _told(self.evidence.get("causes"))
        lines += [f"  look at:  {hint}" for hint in self._hints()]
        return "\n".join(lines)

    def _rows(self) -> list[Sequence[str]]:
        """The figures as a table: of shares by arm, else those that the expectation gives."""
        if "arms" in self.evidence:
            first = str(self.evidence.get("sorted_by", "version"))
            return [(first, *_ARM_COLUMNS), *map(_arm_row, self.evidence["arms"])]
        return [list(map(str, row)) for row in self.evidence.get("table", ())]

    def _hints(self) -> list[str]:
        strange = {status: count for status, count in self.statuses.items() if not status.startswith("2")}
        hints = [_HINTS[status] for status in strange if status in _HINTS]
        if self.verdict == Verdict.UNDECIDED:
            hints.append("max_requests and the margin: the forecast says what fits")
        elif not hints:
            hints.append(
                "the weights of that rule, the labels of the subsets it names, and whether another rule comes before it"
            )
        return hints


_HINTS = {
    "404": "404: no route matches; compare the rule's hosts and paths, and the Gateway's hosts, with the request",
    "503": "503: no cluster or no healthy endpoint; compare the subset's labels with the pods', and the outlier detection",
    "504": "504: a timeout of the rule passed before the workload answered",
    "500": "500: the workload, or an injected fault, answered so",
    "403": "403: an authorization policy denies it",
}


def finding(
    source: str,
    request: Request | TCP | str,
    expectation: Stated,
    judgement: Judgement,
    rule: Rule | str | None,
    sample: Sample,
    seconds: float,
    control: str = "",
    versions: bool | None = None,
) -> Finding:
    """The outcome of an expectation, without secrets; `control` says how the mesh was made wrong on purpose, if it was.

    `versions` says whether what was read from the answers of the sample is which version gave them, and nothing else; None that how long
    they took is of no interest.
    """
    evidence = redacted_value(
        {
            **judgement.evidence,
            **_causes(sample),
            "path": _path(source, rule),
            "latency": _latency(sample, versions),
        }
    )
    return Finding(
        verdict=str(judgement.verdict),
        source=source,
        request=str(request),
        expectation=redacted(str(expectation)),
        configured=redacted(expectation.configured),
        observed=redacted(judgement.observed),
        requests=judgement.requests,
        error_rates=expectation.error_rates,
        seconds=seconds,
        reason=redacted(judgement.reason),
        rule=str(rule) if rule else "no VirtualService decides this request",
        statuses={str(status): count for status, count in sorted(sample.statuses().items())},
        transport_errors=dict(sample.errors),
        control=control,
        evidence=evidence,
    )


_ARMS = 8  # whose latencies are told
_QUANTILES = (0.1, 0.5, 0.9, 0.99)


def _path(source: str, rule: Rule | str | None) -> dict[str, Any] | None:
    """Where requests come from, the rule that decides them, and where it sends them: shares are 0..1. None if no rule is known."""
    if not isinstance(rule, Rule):
        return None
    file, _, line = rule.where.rpartition(":")
    sent = [{"host": each.host, "subset": each.subset, "share": each.share} for each in rule.destinations]
    return {
        "source": source,
        "resource": rule.resource,
        "field": rule.field,
        "file": file,
        "line": int(line) if line.isdigit() else None,
        "destinations": sent,
    }


def _latency(sample: Sample, versions: bool | None) -> dict[str, Any] | None:
    """Quantiles (seconds) of the answers' latencies by version, or else by status; None without answers, or any interest in them."""
    if versions is None:
        return None
    found: dict[str, list[float]] = {}
    for answer in sample.answers():
        name = answer.version if versions and answer.version else str(answer.status)
        found.setdefault(name, []).append(answer.latency)
    most = sorted(found, key=lambda name: -len(found[name]))[:_ARMS]
    rows = [{"name": name, "answers": len(found[name]), **_quantiles(found[name])} for name in sorted(most)]
    return {"by": "version" if versions else "status", "rows": rows} if rows else None


def _quantiles(seen: list[float]) -> dict[str, float]:
    """`p50` and others: the smallest observation that such a share of them does not exceed; and the largest, `most`."""
    ordered = sorted(seen)
    found = {f"p{100 * q:g}": ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in _QUANTILES}
    return {name: round(value, 6) for name, value in {**found, "most": ordered[-1]}.items()}


_LINES = 5  # of the access log, each of another kind


def _causes(sample: Sample) -> dict[str, Any]:
    """What the first proxy said: how often what, and a log line of each kind of request that did not simply succeed."""
    if sample.causes is None:
        return {}
    kinds = {entry.summary: str(entry) for entry in reversed(sample.entries)}
    counts = {"flags": sample.flags(), "summaries": sample.summaries()}
    lines = [kinds[summary] for summary, _ in counts["summaries"].most_common() if summary in kinds]
    return {"causes": {**{name: dict(each.most_common()) for name, each in counts.items()}, "lines": lines[:_LINES]}}


def _told(causes: Mapping[str, Any] | None) -> list[str]:
    if causes is None:
        return []
    counts = [f"{count} x {summary}" for summary, count in causes["summaries"].items()]
    return [f"  causes:   {', '.join(counts) or 'none known'}", *(f"    {line}" for line in causes["lines"])]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{key}: {count}" for key, count in counts.items()) or "none"


_ARM_COLUMNS = ("configured", "observed", "off by", "answers", "99 % interval")


def _arm_row(arm: Mapping[str, Any]) -> Sequence[str]:
    low, high = arm["interval"]
    return (
        str(arm["arm"] or "(none)"),
        f"{100 * arm['configured']:.4g} %",
        f"{100 * arm['observed']:.1f} %",
        f"{arm['deviation']:+.1f} points",
        str(arm["count"]),
        f"{100 * low:.1f} to {100 * high:.1f} %",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns one below the other: texts to the left in the first, to the right in the others."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
