"""What the terminal shows: failures without frames, and the table of all verdicts."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshtest.redaction import redacted

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
    report.longrepr = "\n".join([str(excinfo.value), "", *map(redacted, lines)]).strip()


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def summarize(reporter: Any, config: pytest.Config) -> None:
    """A table with a row for each verdict, in the order of the tests; and what would be done to a cluster, where that was only planned."""
    _plan(reporter)
    rows = list(_rows(reporter, config))
    _notes(reporter)
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


def _notes(reporter: Any) -> None:
    """What meshes noted of themselves, each once."""
    said = [str(value) for each in _ended(reporter) for name, value in each.user_properties if name == "meshtest.note"]
    if said:
        reporter.section("mesh notes", sep="=")
    for note in dict.fromkeys(said):
        reporter.write_line(note)


def _ended(reporter: Any) -> list[Any]:
    """The reports of the ends of tests, in the order of their names."""
    found = [each for several in reporter.stats.values() for each in several if getattr(each, "when", "") == "teardown"]
    return sorted(found, key=lambda each: str(each.nodeid))


def _plan(reporter: Any) -> None:
    """By test; what several tests would do alike is told once, with the first."""
    told: set[str] = set()
    for report in _ended(reporter):
        steps = [str(value) for name, value in report.user_properties if name == "meshtest.plan" and value not in told]
        if steps and not told:
            reporter.section("mesh plan: nothing of this was done", sep="=")
        if steps:
            reporter.write_line(report.nodeid)
        for step in dict.fromkeys(steps):
            reporter.write_line(f"  {step}")
        told.update(steps)
    if told:
        reporter.write_line("After a test what it created is deleted, and what it changed restored to what it was.")


def _rows(reporter: Any, config: pytest.Config) -> Iterator[tuple[str, ...]]:
    told: dict[str, list[Mapping[str, Any]]] = {}
    for reports in reporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call" and (found := list(findings(report.user_properties))):
                told[report.nodeid] = found
    for nodeid in sorted(told):
        controls = [found for found in told[nodeid] if found["control"]]
        yield from (_row(nodeid, found) for found in told[nodeid] if not found["control"])
        yield from (_row(nodeid, found) for found in controls if found["verdict"] != "VIOLATED")
        if noticed := [found for found in controls if found["verdict"] == "VIOLATED"]:
            yield _noticed(nodeid, noticed, len(controls))
    yield from _interrupted(told.keys(), config)


def _noticed(nodeid: str, noticed: list[Mapping[str, Any]], controls: int) -> tuple[str, ...]:
    """One row for all wrong meshes that were called VIOLATED, as they should be."""
    requests, seconds = sum(found["requests"] for found in noticed), sum(found["seconds"] for found in noticed)
    seen = f"{len(noticed)} of {controls} wrong meshes"
    return (
        "noticed",
        noticed[0]["configured"],
        seen,
        str(requests),
        noticed[0]["error_rates"],
        f"{seconds:.2f} s",
        nodeid,
    )


def _interrupted(told: Container[str], config: pytest.Config) -> Iterator[tuple[str, ...]]:
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
    name = f"{nodeid}: {found['control']}" if found["control"] else nodeid
    requests, seconds = str(found["requests"]), f"{found['seconds']:.2f} s"
    return (found["verdict"], found["configured"], found["observed"], requests, found["error_rates"], seconds, name)
