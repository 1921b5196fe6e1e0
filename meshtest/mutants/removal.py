"""Removal of a field, an item of a list or an entry of a mapping; of one that stands alone, what it stands in goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshtest.mutants.change import Change, removed
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.schema import ListOf, MapOf, Message

_NOTES = {
    ("http", "name"),
    ("match", "name"),
    ("match", "statPrefix"),
    ("servers", "name"),
    ("port", "name"),
}


def is_note(site: Site) -> bool:
    """Whether a value is a name for people, statistics and logs, that no request depends on."""
    return (site.within, site.field) in _NOTES


def removal(site: Site, around: Surroundings) -> Iterator[Change]:
    """Each part of a block, a list or a mapping that has several."""
    yield from (removed((*site.path, part)) for part in _parts(site))


def _parts(site: Site) -> list[Any]:
    if isinstance(site.type, Message) and isinstance(site.value, dict):
        fields = [key for key, item in site.value.items() if item is not None and not is_note(_below(site, key))]
        return [key for key in fields if key not in (*site.type.required, "weight")] if len(fields) > 1 else []
    if isinstance(site.type, MapOf) and isinstance(site.value, dict):
        parts: list[Any] = list(site.value)
    else:
        parts = list(range(len(site.value))) if isinstance(site.type, ListOf) and isinstance(site.value, list) else []
    return parts if len(parts) > 1 else []


def _below(site: Site, key: str) -> Site:
    return Site((*site.path, key), site.value[key], site.type, site)
