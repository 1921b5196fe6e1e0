"""Findings as a table for people, as kubectl prints its own, with what to do below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, UNKNOWN, WARNING, Finding

_WIDTH = 140


def table(findings: Sequence[Finding]) -> Iterator[str]:
    """The lines: one finding each, then each remedy once with those that it is for, then how many there are of each severity."""
    status = max(map(len, (*(each.severity for each in findings), "STATUS"))) + 2
    subject = max(map(len, (*(each.subject for each in findings), "SUBJECT"))) + 2
    yield f"{'STATUS':{status}}{'SUBJECT':{subject}}FOUND"
    for each in findings:
        yield f"{each.severity:{status}}{each.subject:{subject}}{each.message}"
    yield from _remedies(findings)
    yield ""
    counts = ((name, sum(each.severity == name for each in findings)) for name in (ERROR, WARNING, UNKNOWN, OK))
    yield ", ".join(f"{count} {name}" for name, count in counts if count)


def _remedies(findings: Sequence[Finding]) -> Iterator[str]:
    order = (ERROR, WARNING, UNKNOWN)
    wrong = sorted((each for each in findings if each.remedy), key=lambda each: order.index(each.severity))
    subjects: dict[str, dict[str, None]] = {}
    for each in wrong:
        subjects.setdefault(each.remedy, {})[each.subject] = None
    if subjects:
        yield ""
        yield "WHAT TO DO"
    for remedy, those in subjects.items():
        yield f"  {', '.join(those)}:"
        yield textwrap.indent(textwrap.fill(remedy, _WIDTH - 4, break_on_hyphens=False, break_long_words=False), "    ")
