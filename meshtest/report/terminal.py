"""What the terminal shows: failures without frames, and the table of all verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

COLUMNS = ("verdict", "configured", "observed", "requests", "error rates", "time", "test")
_COLOURS = {
    "HOLDS": {"green": True},
    "VIOLATED": {"red": True, "bold": True},
    "UNDECIDED": {"yellow": True, "bold": True},
}


def shorten(report: pytest.CollectReport | pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Replace a traceback by the line of the test that failed and the message."""
    own = str(Path(__file__).parents[1])
    frames = [entry for entry in excinfo.traceback if not str(entry.path).startswith(own)]
    where = [entry for entry in frames if "_pytest" not in str(entry.path) and "pluggy" not in str(entry.path)]
    lines = [
        f"{_from_here(Path(entry.path))}:{entry.lineno + 1}: {str(entry.statement).strip()}" for entry in where[-1:]
    ]
    report.longrepr = "\n".join([str(excinfo.value), "", *lines]).strip()


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def summarize(reporter: Any, config: pytest.Config) -> None:
    """A table with a row for each verdict, in the order of the tests."""
    rows = list(_rows(reporter, config))
    if not rows:
        return
    reporter.ensure_newline()
    reporter.section("mesh verdicts", sep="=")
    table = [COLUMNS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
    for number, row in enumerate(table):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True)).rstrip()
        reporter.write(row[0].ljust(widths[0]), **({} if number == 0 else _COLOURS.get(row[0], {})))
        reporter.write(f"  {text}\n")


def _rows(reporter: Any, config: pytest.Config) -> Iterator[tuple[str, ...]]:
    told = []
    for reports in reporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                told += [(report.nodeid, found) for found in findings(report.user_properties)]
    yield from (_row(nodeid, found) for nodeid, found in sorted(told, key=lambda pair: pair[0]))
    yield from _interrupted({nodeid for nodeid, _ in told}, config)


def _interrupted(told: set[str], config: pytest.Config) -> Iterator[tuple[str, ...]]:
    """What was known of a test that Ctrl-C ended: it has no report."""
    from meshtest.session import findings_of

    for nodeid, found in findings_of(config):
        if nodeid not in told:
            row = _row(nodeid, json.loads(found.as_json()))
            yield ("interrupted" if found.verdict == "UNDECIDED" else row[0], *row[1:])


def findings(properties: list[tuple[str, object]]) -> Iterator[Mapping[str, Any]]:
    """The findings in a report's properties."""
    for name, value in properties:
        if name.startswith("meshtest") and name.endswith(".finding"):
            yield json.loads(str(value))


def _row(nodeid: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (
        found["configured"],
        found["observed"],
        str(found["requests"]),
        found["error_rates"],
        f"{found['seconds']:.2f} s",
    )
    if found["control"]:  # wrong on purpose: VIOLATED is what it should be
        return (
            "noticed" if found["verdict"] == "VIOLATED" else found["verdict"],
            *figures,
            f"{nodeid}: {found['control']}",
        )
    return (found["verdict"], *figures, nodeid)
