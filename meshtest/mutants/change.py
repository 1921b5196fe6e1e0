"""One change to a resource, as data, and the resource after it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.resource import Resource, dotted

REMOVED = object()
_MOST = 40  # characters of a value in an id or a sentence
_UNSAFE = re.compile(r"[^A-Za-z0-9._\-=+*,/:<>\[\]]")

Edits = tuple[tuple[Path, Any], ...]


@dataclass(frozen=True)
class Change:
    """What becomes of the values at some paths (`REMOVED`: nothing); `path` is the one to look at, `tail` says in an id what was done."""

    path: Path
    tail: str
    sentence: str
    edits: Edits

    @property
    def place(self) -> str:
        """The path as an id has it: `http[0].route[1].weight`."""
        return safe(dotted(self.path[1:]))


def put(path: Path, old: Any, new: Any) -> Change:
    """Another value in the place of one."""
    return Change(path, f"={safe(word(new))}", f"{dotted(path)} is {word(new)} instead of {word(old)}", ((path, new),))


def removed(path: Path) -> Change:
    """A field, item or entry that is gone."""
    return Change(path, ":removed", f"{dotted(path)} is removed", ((path, REMOVED),))


def word(value: Any) -> str:
    """A value in a sentence."""
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."


def safe(text: str) -> str:
    """A text as part of an id: no blanks, quotes, or characters outside ASCII; `::` parts ids in pytest."""
    return _UNSAFE.sub("_", text).replace("::", ":_")


def changed(resource: Resource, edits: Edits) -> Resource:
    """A copy with these values in place; the original is left as it is."""
    body: Any = resource.body
    for path, value in edits:
        body = _edited(body, path, value)
    return replace(resource, body=body)


def _edited(value: Any, path: Path, new: Any) -> Any:
    part, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        inner = _edited(value.get(part, {}), rest, new) if rest else new
        if inner is REMOVED:
            return {key: item for key, item in value.items() if key != part}
        return {**value, str(part): inner}
    items, index = list(value), int(part)
    inner = _edited(items[index], rest, new) if rest else new
    items[index : index + 1] = [] if inner is REMOVED else [inner]
    return items
