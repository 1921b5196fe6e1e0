"""YAML text as a tree of nodes that know their lines.

Built from libyaml's events, one by one: its own tree builder recurses in C, and a file that nests deeply enough kills the process.
Ordinary files are read by `yaml_values.py`; this tells where things stand, and what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import yaml

from meshtest.errors import ResourceError

MAX_DEPTH = 100
MAX_EVENTS = 900_000  # more than three times what 10,000 routes take; libyaml makes as many in half a second

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1, section 5.1


@dataclass(slots=True)
class Scalar:
    """One value as it is written; `plain` if it is neither quoted nor a block. `tag` is empty where none is given."""

    line: int
    text: str
    tag: str
    plain: bool


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Keys and values in order."""

    line: int
    entries: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(slots=True)
class Alias:
    """A place that repeats what an anchor names."""

    line: int
    target: Node


Node = Scalar | Sequence | Mapping | Alias


@dataclass(slots=True)
class Tree:
    """A document: its root, and where its text begins, as a character and as a line (from 1)."""

    root: Node
    begin: int
    line: int


def trees(text: str, file: str) -> list[Tree]:
    """All documents; ResourceError names `file` and line if this is no YAML, or nests deeper than MAX_DEPTH."""
    composer = _Composer(file)
    for event in _events(text, file):
        composer.take(event)
    return composer.trees


def check_characters(text: str, file: str) -> None:
    """ResourceError names `file` and line if there is a character that YAML does not know."""
    if bad := _NOT_TEXT.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise ResourceError(
            f"{file}:{line}: this is not text: it holds the character U+{ord(bad[0]):04X}; is it the right file?"
        )


class TooMuch(Exception):
    """The text holds more than MAX_EVENTS values, ends of collections, and documents."""


def events(text: str) -> Iterator[yaml.Event]:
    """libyaml's events, one by one; TooMuch where they do not end, yaml.YAMLError where the text is no YAML."""
    parsed = yaml.parse(text, Loader=LOADER)
    return chain(islice(parsed, MAX_EVENTS), _end(parsed))


def _end(parsed: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for _ in parsed:
        raise TooMuch
    yield from ()


def _events(text: str, file: str) -> Iterator[yaml.Event]:
    try:
        yield from events(text)
    except yaml.YAMLError as error:
        raise not_yaml(error, text, file) from None
    except TooMuch:
        raise too_much(file) from None


def too_much(file: str) -> ResourceError:
    """That the file holds more than any manifest."""
    return ResourceError(f"{file}: holds more values than any Kubernetes manifest does; is it the right file?")


def root_line(text: str) -> int:
    """The line (from 1) where the first document begins to say something; it must be one that the parser has taken."""
    begun = (yaml.ScalarEvent, yaml.CollectionStartEvent, yaml.AliasEvent)
    return next((_line(event) for event in events(text) if isinstance(event, begun)), 1)


def not_yaml(error: yaml.YAMLError, text: str, file: str) -> ResourceError:
    """What libyaml says, in our words, with its place."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return ResourceError(f"{file}: this is not YAML: {' '.join(str(error).split())}")
    mark = error.problem_mark or error.context_mark
    where = f"{file}:{mark.line + 1}" if mark else file
    problem = error.problem or "not understood"
    tab = "\\t" in problem or "'\t'" in problem or _tab(text, mark.line if mark else -1)
    hint = " (YAML is indented with spaces, never with tabs)" if tab else ""
    return ResourceError(f"{where}: this is not YAML: {problem}{hint}")


def _tab(text: str, line: int) -> bool:
    """Whether a line (from 0) is indented with a tab."""
    lines = text.split("\n", line + 1)
    return 0 <= line < len(lines) and lines[line].lstrip(" ").startswith("\t")


@dataclass(slots=True)
class _Open:
    """A collection under construction; `key` waits for its value."""

    node: Sequence | Mapping
    anchor: str | None
    key: Node | None = None


class _Composer:
    """Puts nodes together from events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.trees: list[Tree] = []
        self.begin, self.line = 0, 1
        self.open: list[_Open] = []
        self.anchors: dict[str, Node] = {}

    def take(self, event: yaml.Event) -> None:
        """The next event."""
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(_line(event), event.value, event.tag or "", event.style in (None, ""))
            self._name(event.anchor, node)
            self._add(node)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.open.pop()
            self._name(done.anchor, done.node)
            self._add(done.node)
        elif isinstance(event, yaml.AliasEvent):
            self._add(Alias(_line(event), self._target(event)))
        elif isinstance(event, yaml.DocumentStartEvent):
            self.anchors = {}
            if event.start_mark:
                self.begin, self.line = event.start_mark.index, event.start_mark.line + 1

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise ResourceError(
                f"{self.file}:{_line(event)}: this nests deeper than {MAX_DEPTH} levels, which no Kubernetes manifest does"
            )
        node = Mapping(_line(event)) if isinstance(event, yaml.MappingStartEvent) else Sequence(_line(event))
        self.anchors.pop(event.anchor or "", None)  # what it named before cannot be meant inside
        self.open.append(_Open(node, event.anchor))

    def _target(self, event: yaml.AliasEvent) -> Node:
        if event.anchor in self.anchors:
            return self.anchors[event.anchor]
        inside = any(each.anchor == event.anchor for each in self.open)
        wrong = "what this anchor names contains itself" if inside else "no anchor of this name stands before"
        raise ResourceError(f"{self.file}:{_line(event)}: *{event.anchor}: {wrong}")

    def _name(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self.anchors[anchor] = node

    def _add(self, node: Node) -> None:
        if not self.open:
            self.trees.append(Tree(node, self.begin, self.line))
            return
        into = self.open[-1]
        if isinstance(into.node, Sequence):
            into.node.items.append(node)
        elif into.key is None:
            into.key = node
        else:
            into.node.entries.append((into.key, node))
            into.key = None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
