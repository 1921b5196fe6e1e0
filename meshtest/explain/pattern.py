"""Regular expressions as RE2 evaluates them (https://github.com/google/re2/wiki/Syntax), which Envoy uses.

Python's `re` differs from RE2 in its classes, flags and anchors, and may take for ever; here the time grows with the pattern and the
text, as in RE2. Envoy has RE2 read patterns and texts as Latin-1: of UTF-8 each byte is a character. Patterns must be right
(`meshtest.resources.regular_expression`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from meshtest.explain.pattern_syntax import Any, Character, Group, Node, Place, Repeat, Row, parsed

MAX_STEPS = 50_000


class Untold(Exception):
    """What a pattern matches cannot be told: it names a script of Unicode, or is too large."""


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern."""

    program: Sequence[Step]

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` matches (`RE2::FullMatch`)."""
        return _run(self.program, _latin(text), 0, whole=True) is not None

    def replaced(self, text: str, substitution: str) -> str:
        """`text` with each match replaced, where `\\1` stands for the first group (`RE2::GlobalReplace`)."""
        text, substitution = _latin(text), _latin(substitution)
        out, at, last = "", 0, -1
        while at <= len(text) and (found := _search(self.program, text, at)):
            begin, end = found[0], found[1]
            out += text[at:begin]
            if begin == end == last:  # nothing again where the last match ended
                out += text[begin : begin + 1]
                at = begin + 1
                continue
            out += _filled(substitution, text, found)
            at = last = end
        return (out + text[at:]).encode("latin-1").decode("utf-8", "surrogateescape")


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern:
    """Compile a pattern; Untold if it cannot be evaluated here."""
    try:
        node = parsed(_latin(text))
    except LookupError as error:
        raise Untold(f"it names {error.args[0]}") from None
    compiler = _Compiler()
    compiler.emit(node)
    return Pattern(compiler.program)


def _latin(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _filled(substitution: str, text: str, found: dict[int, int]) -> str:
    def part(escape: re.Match[str]) -> str:
        if escape[1] == "\\":
            return "\\"
        group = 2 * int(escape[1])
        return text[found[group] : found[group + 1]] if group + 1 in found else ""

    return re.sub(r"\\([0-9\\])", part, substitution)


@dataclass(slots=True)
class Step:
    """One step of a program: read a character, be at a place, or save where it stands; then go on at one of `then`, the first preferred."""

    what: Character | Place | int | None
    then: Sequence[int]


class _Compiler:
    """Nodes to steps; after the last step stands the end."""

    def __init__(self) -> None:
        self.program: list[Step] = []

    def emit(self, node: Node) -> None:
        if isinstance(node, Character | Place):
            self._step(node)
        elif isinstance(node, Group):
            self._step(2 * node.number)
            self.emit(node.inside)
            self._step(2 * node.number + 1)
        elif isinstance(node, Row):
            for each in node.nodes:
                self.emit(each)
        elif isinstance(node, Any):
            self._any(node.nodes)
        else:
            self._repeat(node)

    def _step(self, what: Character | Place | int | None) -> Step:
        if len(self.program) >= MAX_STEPS:
            raise Untold("it is too large")
        step = Step(what, (len(self.program) + 1,))
        self.program.append(step)
        return step

    def _any(self, nodes: Sequence[Node]) -> None:
        ends = []
        for node in nodes[:-1]:
            fork = self._step(None)
            self.emit(node)
            ends.append(self._step(None))
            fork.then = (fork.then[0], len(self.program))
        self.emit(nodes[-1])
        for end in ends:
            end.then = (len(self.program),)

    def _repeat(self, node: Repeat) -> None:
        for _ in range(node.least):
            self.emit(node.node)
        if node.most is None:
            begin = len(self.program)
            fork = self._step(None)
            self.emit(node.node)
            self._step(None).then = (begin,)
            forks = [fork]
        else:
            forks = []
            for _ in range(node.most - node.least):
                forks.append(self._step(None))
                self.emit(node.node)
        for fork in forks:
            both = (fork.then[0], len(self.program))
            fork.then = both if node.greedy else both[::-1]


def _run(program: Sequence[Step], text: str, start: int, whole: bool) -> dict[int, int] | None:
    """The positions saved on the preferred way through, None if there is no way. Each step is tried once at each position."""
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[int, int, tuple[tuple[int, int], ...]]] = [(0, start, ())]
    while waiting:
        number, at, saved = waiting.pop()
        if (number, at) in seen:
            continue
        seen.add((number, at))
        if number == len(program):
            if whole and at < len(text):
                continue
            return {**dict(saved), 0: start, 1: at}
        step = program[number]
        if isinstance(step.what, Character):
            if at == len(text) or not step.what.test(text[at]):
                continue
            at += 1
        elif isinstance(step.what, Place):
            if not step.what.holds(text, at):
                continue
        elif step.what is not None:
            saved = (*saved, (step.what, at))
        waiting.extend((each, at, saved) for each in reversed(step.then))
    return None


def _search(program: Sequence[Step], text: str, start: int) -> dict[int, int] | None:
    for at in range(start, len(text) + 1):
        if (found := _run(program, text, at, whole=False)) is not None:
            return found
    return None
