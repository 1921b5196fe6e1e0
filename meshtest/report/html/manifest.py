"""Manifests, highlighted line by line, and the part of one that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from markupsafe import Markup, escape

from meshtest.report.record import Policy

_MOST = 40  # lines of a resource that are shown as a whole beside a verdict
_ABOVE = 3


@dataclass(frozen=True)
class CodeLine:
    """A line: its number in the file, its highlighted text, whether it is of the rule that decided."""

    number: int
    html: Markup
    marked: bool = False


@dataclass(frozen=True)
class Manifest:
    """A policy of the record, to be shown; `number` is its place in the record."""

    number: int
    policy: Policy

    @property
    def title(self) -> str:
        """`VirtualService default/reviews`."""
        return f"{self.policy.kind} {self.policy.name}"

    @cached_property
    def lines(self) -> list[CodeLine]:
        """All lines, without blank ones at the edges."""
        html = _highlighted(self.policy.text.rstrip())
        lines = [CodeLine(self.policy.line + n, each) for n, each in enumerate(html)]
        kept = [n for n, each in enumerate(lines) if each.html.striptags().strip() not in ("", "---")]
        return lines[kept[0] : kept[-1] + 1] if kept else []

    def excerpt(self, line: int) -> list[CodeLine]:
        """The lines about the rule that stands at `line` of the file, with it marked; of a short resource all."""
        begin, end = self._rule(line)
        whole = len(self.lines) <= _MOST
        low, high = (0, 10**9) if whole else (begin - _ABOVE, end)
        return [
            CodeLine(each.number, each.html, begin <= each.number <= end)
            for each in self.lines
            if low <= each.number <= high
        ]

    def about(self, field: str) -> list[CodeLine]:
        """All lines (of a long resource the first ones), with those of a field marked, wherever it stands."""
        numbers = [
            number
            for number, text in enumerate(self.policy.text.split("\n"), self.policy.line)
            if text.strip().removeprefix("- ").startswith(f"{field}:")
        ]
        marked = {each for number in numbers for each in range(number, self._rule(number)[1] + 1)}
        return [CodeLine(each.number, each.html, each.number in marked) for each in self.lines[: 2 * _MOST]]

    def has(self, file: str, line: int) -> bool:
        """Whether it has this line."""
        return self.policy.file == file and any(each.number == line for each in self.lines)

    def _rule(self, line: int) -> tuple[int, int]:
        """The lines of the item that begins there: up to the first one that is indented no further."""
        texts = self.policy.text.split("\n")
        first = line - self.policy.line
        indent, last = _indent(texts[first]), first
        for number in range(first + 1, len(texts)):
            if texts[number].strip() and _indent(texts[number]) <= indent:
                break
            last = number if texts[number].strip() else last
        return line, last + self.policy.line


@cache
def _highlighted(text: str) -> list[Markup]:
    """The lines of YAML, with keys, values and comments in elements of their own: short ones, for there are many."""
    from pygments.lexers.data import YamlLexer
    from pygments.token import Token

    styles = {Token.Name.Tag: "b", Token.Comment: "em", Token.Literal.String: "u", Token.Literal.Number: "u"}
    lines = [Markup()]
    for token, value in YamlLexer(stripnl=False, ensurenl=False).get_tokens(text):
        name = next((styles[each] for each in token.split() if each in styles and value.strip()), "")
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append(Markup())
            lines[-1] += Markup("<{0}>{1}</{0}>").format(name, part) if name and part else escape(part)
    return lines


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def decided(manifests: Sequence[Manifest], path: Mapping[str, Any] | None) -> tuple[Manifest, int] | None:
    """The manifest with the rule of a finding's path, and its line; None if it is not known."""
    if not path or not path.get("line"):
        return None
    return next(((each, path["line"]) for each in manifests if each.has(path["file"], path["line"])), None)
