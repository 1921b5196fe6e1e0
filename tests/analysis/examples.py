"""The examples of docs/analysis.md, code by code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "analysis.md"
_SECTION = re.compile(
    r"### (MT\d{4}) ([^\n]*)\n\n\*(\w+)\*(?:, (IST\d{4}))?\n\n(.+?)\n\nWrong:\n\n```yaml\n(.*?)```\n\nRight:\n\n```yaml\n(.*?)```",
    re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """A code as the document has it."""

    code: str
    title: str
    severity: str
    istio: str
    text: str
    wrong: str
    right: str


EXAMPLES = [Example(*found) for found in _SECTION.findall(DOCUMENT.read_text())]
