"""The plain values of ordinary YAML, in one pass over libyaml's events and without positions.

Nearly all manifests are ordinary. What is not - anchors, tags, keys that are no words or stand twice, deep nesting -
is left to `document.py`, which knows the line of everything and takes several times as long.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import yaml

from meshtest.resources.scalar import resolved
from meshtest.resources.yaml_tree import MAX_DEPTH, events


class Unusual(Exception):
    """This must be read with more care."""


class Value(NamedTuple):
    """A document: its value, and where its text begins, as a character and as a line (from 1)."""

    value: Any
    begin: int
    line: int


def values(text: str) -> list[Value]:
    """The values of all documents; Unusual where something in them is not ordinary, TooMuch or yaml.YAMLError as `events` has it."""
    scalar, mapping, sequence = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
    ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    found: list[Value] = []
    known: dict[str, Any] = {}
    outer: list[tuple[Any, str | None]] = []
    into: Any = None
    key: str | None = None
    begin, line = 0, 1
    event: Any  # of its class's own fields, which are not looked up twice
    value: Any
    for event in events(text):
        kind = event.__class__
        if kind is scalar:
            if event.tag is not None or event.anchor is not None:
                raise Unusual
            value = event.value
            if event.implicit[0]:  # neither quoted nor a block
                if value not in known:
                    known[value] = _finite(resolved(value))
                value = known[value]
        elif kind is mapping or kind is sequence:
            if event.tag is not None or event.anchor is not None or len(outer) >= MAX_DEPTH:
                raise Unusual
            outer.append((into, key))
            into, key = {} if kind is mapping else [], None
            continue
        elif kind in ends:
            value = into
            into, key = outer.pop()
        elif kind is yaml.DocumentStartEvent:
            begin, line = event.start_mark.index, event.start_mark.line + 1
            continue
        elif kind is yaml.AliasEvent:
            raise Unusual
        else:
            continue
        if into.__class__ is dict:
            if key is not None:
                into[key] = value
                key = None
            elif value.__class__ is not str or value in into or value == "<<":
                raise Unusual
            else:
                key = value
        elif into is None:
            found.append(Value(value, begin, line))
        else:
            into.append(value)
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unusual
    return value
