"""The places in a resource where something may be changed, each with the type that the kind's schema has there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.manifest import SCHEMAS
from meshtest.resources.resource import Resource
from meshtest.resources.schema import ListOf, MapOf, Message, Type


@dataclass(frozen=True)
class Site:
    """A value as its author wrote it, its path from the root of the object, its type (without wrappers), and what it stands in."""

    path: Path
    value: Any
    type: Type
    above: Site | None = None

    @property
    def field(self) -> str:
        """The nearest field's name: of an item of a list, the list's."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def within(self) -> str:
        """The name of the field around the nearest one."""
        names = [part for part in self.path if isinstance(part, str)]
        return names[-2] if len(names) > 1 else ""


def sites(resource: Resource) -> Iterator[Site]:
    """Each value in the spec of an Istio resource, from the outside to the inside, in the order of the manifest; nulls are left out."""
    schema = SCHEMAS.get((resource.group, resource.kind))
    if schema is not None:
        yield from _within(Site(("spec",), resource.spec, plain(schema)))


def plain(type_: Type) -> Type:
    """The type that others wrap, to refuse some of its values."""
    while (inner := getattr(type_, "inner", None)) is not None:
        type_ = inner
    return type_


def accepts(type_: Type, value: Any) -> bool:
    """Whether nothing is wrong with a value, as far as its type can see."""
    problems: list[str] = []

    def report(path: Path, message: str, *, unsupported: bool = False) -> None:
        problems.append(message)

    type_.read(value, (), report)
    return not problems


def _within(site: Site) -> Iterator[Site]:
    yield site
    for part, value, type_ in _parts(site.value, site.type):
        if value is not None:
            yield from _within(Site((*site.path, part), value, plain(type_), site))


def _parts(value: Any, type_: Type) -> Iterator[tuple[str | int, Any, Type]]:
    if isinstance(type_, Message) and isinstance(value, dict):
        yield from ((key, item, type_.fields[key]) for key, item in value.items() if key in type_.fields)
    elif isinstance(type_, MapOf) and isinstance(value, dict):
        yield from ((key, item, type_.item) for key, item in value.items())
    elif isinstance(type_, ListOf) and isinstance(value, list):
        yield from ((index, item, type_.item) for index, item in enumerate(value))
