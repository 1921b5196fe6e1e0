"""YAML text as a tree of nodes that know their lines.

Built from libyaml's events, one by one: its own tree builder recurses in C and kills the process when a file nests too deeply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from meshtest.errors import ResourceError

MAX_DEPTH = 100

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Scalar:
    """A single value as it is written; `plain` if neither quoted nor a block."""

    line: int
    text: str
    tag: str | None
    plain: bool


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Keys and values in order; `pending` is a key that still waits for its value."""

    line: int
    entries: list[tuple[Node, Node]] = field(default_factory=list)
    pending: Node | None = None


@dataclass(slots=True)
class Alias:
    """A place that repeats what an anchor names."""

    line: int
    target: Node


Node = Scalar | Sequence | Mapping | Alias


def trees(text: str, file: str) -> list[Node]:
    """The roots of all documents; ResourceError names `file` and line if the text is no YAML or nests deeper than MAX_DEPTH."""
    roots: list[Node] = []
    composer = _Composer(file, roots)
    for event in _events(text, file):
        composer.take(event)
    return roots


def _events(text: str, file: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise ResourceError(_no_yaml(error, file)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ResourceError(
            f"{file}:{line}: this is not YAML: the character U+{ord(str(error.character)[:1]):04X} may not stand in it; is it the right file?"
            if isinstance(error.character, str) and error.character
            else f"{file}:{line}: this is not YAML: {error.reason}"
        ) from None
    except UnicodeError as error:
        raise ResourceError(f"{file}: this is not text: {error.reason if hasattr(error, 'reason') else error}") from None
