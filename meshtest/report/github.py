"""Annotations on lines of a pull request: what a step of a GitHub workflow prints.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from meshtest.report.places import relative

_TEXT = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
LEVELS = ("error", "warning", "notice")


def annotation(level: str, file: str, line: int, title: str, message: str) -> str:
    """One of `LEVELS` at a line of a file; nothing in its parts can end it, or begin another command."""
    if level not in LEVELS:
        raise ValueError(f"a level is one of {', '.join(LEVELS)}, not {level!r}")
    place = f"file={relative(file).translate(_PROPERTY)},line={max(line, 1)}"
    return f"::{level} {place},title={title.translate(_PROPERTY)}::{message.translate(_TEXT)}"
