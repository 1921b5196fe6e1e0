"""Annotations on lines of a pull request: what a step of a GitHub workflow prints.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from meshtest.report.places import relative
from meshtest.report.record import FAILED, VIOLATED, Record, Test

_TEXT = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
LEVELS = ("error", "warning", "notice")


def annotation(level: str, file: str, line: int, title: str, message: str) -> str:
    """One of `LEVELS` at a line of a file; nothing in its parts can end it, or begin another command."""
    if level not in LEVELS:
        raise ValueError(f"a level is one of {', '.join(LEVELS)}, not {level!r}")
    place = f"file={relative(file).translate(_PROPERTY)},line={max(line, 1)}"
    return f"::{level} {place},title={title.translate(_PROPERTY)}::{message.translate(_TEXT)}"


def annotated(record: Record) -> list[str]:
    """One for each red test, at the line of the rule that decides, or of the test."""
    return [_of(each) for each in record.tests if each.red]


def _of(test: Test) -> str:
    level = "error" if test.outcome in (VIOLATED, FAILED) else "warning"
    paths = [each["evidence"].get("path") or {} for each in test.findings if each["verdict"] != "HOLDS"]
    place = next(((each["file"], each["line"]) for each in paths if each.get("line")), (test.file, test.line or 1))
    return annotation(level, str(place[0]), int(place[1]), f"{test.outcome.upper()}: {test.nodeid}", test.why)
