"""The record of a run as Markdown: for the summary of a job in GitHub, and for a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from meshtest.report.comparison import Comparison
from meshtest.report.record import SKIPPED, Record, Test
from meshtest.report.words import certainty, headline, incomplete

MOST = 200
"""Rows of the table: GitHub shows a megabyte of a step's summary, and nobody reads more."""
_CELL = 160  # characters
_COLUMNS = ("", "test", "policy", "configured", "observed", "requests", "error rates")
_MARKS = {"passed": "✅", "violated": "❌", "failed": "❌", "broken": "⚠️", "undecided": "❔", "skipped": "⏭️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#!|~&@])")


def summary(record: Record, comparison: Comparison | None = None) -> str:
    """The verdict in a sentence, what is red and why, what has changed since the baseline, and the table of all verdicts."""
    return "\n".join(_lines(record, comparison)) + "\n"


def _lines(record: Record, comparison: Comparison | None) -> Iterator[str]:
    run = record.run
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    yield f"## {_escaped(headline(record))}"
    yield from (f"\n{_escaped(each)}" for each in (certainty(record), incomplete(record)) if each)
    yield f"\n{_escaped(versions)} · {run.seconds:.0f} s · {_code(run.command)}"
    if red := [each for each in record.tests if each.red]:
        yield "\n### To look at\n"
        yield from (_red(each) for each in red)
    if comparison is not None:
        yield f"\n### Since the baseline ({_escaped(comparison.began)})\n"
        yield from (f"* {_escaped(line)}" for line in comparison.lines() or ["nothing has changed"])
    yield "\n### Verdicts\n"
    yield from _table(record)
    if run.missing:
        yield "\n### Missing\n"
        yield from (f"* {_code(each.nodeid)}: {_escaped(each.why)}" for each in run.missing)


def _red(test: Test) -> str:
    where = next((each.get("rule") for each in test.findings if each.get("rule")), "")
    rule = f"<br>{_escaped(str(where))}" if where else ""
    return f"* {_MARKS[test.outcome]} {_code(test.nodeid)}: {_escaped(test.why)}{rule}<br>again: {_code(test.command)}"


def _table(record: Record) -> Iterator[str]:
    rows = [row for test in _failures_first(record.tests) for row in _rows(test)]
    yield _row(_COLUMNS)
    yield _row(["---"] * len(_COLUMNS))
    yield from map(_row, rows[:MOST])
    if len(rows) > MOST:
        yield f"\n{len(rows) - MOST} more are in the report."


def _failures_first(tests: Sequence[Test]) -> list[Test]:
    return sorted(tests, key=lambda each: not each.red)


def _rows(test: Test) -> Iterator[Sequence[str]]:
    """A row for each verdict, and one for all meshes that were made wrong on purpose."""
    mark = _MARKS[test.outcome]
    for each in test.verdicts:
        yield mark, _code(test.name), *_figures(each)
    if test.controls:
        noticed = sum(each["verdict"] == "VIOLATED" for each in test.controls)
        seen = f"{noticed} of {len(test.controls)} wrong meshes noticed"
        yield mark, _code(test.name), *_figures({**test.controls[0], "observed": seen, "requests": _requests(test)})
    if not test.findings:
        why = test.why if test.outcome == SKIPPED else ""
        yield mark, _code(test.name), "", _escaped(_clipped(why)), "", "", ""


def _requests(test: Test) -> int:
    return sum(int(each["requests"]) for each in test.controls)


def _figures(finding: Any) -> Sequence[str]:
    policy = (finding.get("evidence", {}).get("path") or {}).get("resource", "")
    cells = (policy, finding["configured"], finding["observed"], finding["requests"], finding["error_rates"])
    return [_escaped(_clipped(str(each))) for each in cells]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _clipped(text: str) -> str:
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it stands, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Code in one line; a table's bar is escaped within code, too."""
    plain = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    return f"{fence}{plain}{fence}" if len(fence) == 1 else f"{fence} {plain} {fence}"
