"""Changes of resources, as values: what is put somewhere, taken away, or weighted otherwise. Pure: what is changed stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.resource import Resource

Change = Callable[[Any], Any]
"""Makes another value of a value (a rule, a `spec`), which it leaves as it is."""


@dataclass(frozen=True)
class Put:
    """`value` at `path`; mappings on the way are made where there are none. A list takes an item at its end too."""

    path: Path
    value: Any

    def __call__(self, value: Any) -> Any:
        """The changed copy."""
        return _at(value, self.path, lambda _: self.value)


@dataclass(frozen=True)
class Removed:
    """What is at `path` is taken away; where there is nothing, nothing changes."""

    path: Path

    def __call__(self, value: Any) -> Any:
        """The changed copy."""
        *way, last = self.path
        return _at(value, tuple(way), lambda found: _without(found, last)) if _has(value, self.path) else value


@dataclass(frozen=True)
class At:
    """The change of what is at `path`."""

    path: Path
    change: Change

    def __call__(self, value: Any) -> Any:
        """The changed copy."""
        return _at(value, self.path, self.change)


@dataclass(frozen=True)
class Reweighted:
    """A rule of a VirtualService sends to these subsets (of its first destination's host) in these proportions."""

    weights: Mapping[str, int]

    def __call__(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """The changed copy of the rule."""
        known = {each["destination"].get("subset"): each for each in rule["route"]}
        first = rule["route"][0]
        route = []
        for subset, weight in self.weights.items():
            like = known.get(subset) or {**first, "destination": {**first["destination"], "subset": subset}}
            route.append({**like, "weight": weight})
        return {**rule, "route": route}


def with_spec(resource: Resource, change: Change) -> Resource:
    """The resource with a changed `spec`."""
    return replace(resource, body={**resource.body, "spec": change(resource.spec)})


def _at(value: Any, path: Path, change: Change) -> Any:
    if not path:
        return change(value)
    first, *rest = path
    if isinstance(first, int):
        items = list(value or ())
        items[first : first + 1] = [_at(items[first] if first < len(items) else None, tuple(rest), change)]
        return items
    return {**(value or {}), first: _at((value or {}).get(first), tuple(rest), change)}


def _has(value: Any, path: Path) -> bool:
    for key in path:
        if isinstance(key, int):
            if not isinstance(value, list) or key >= len(value):
                return False
        elif not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _without(value: Any, key: str | int) -> Any:
    if isinstance(value, list):
        return [each for number, each in enumerate(value) if number != key]
    return {name: each for name, each in value.items() if name != key}
