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
    parts = _parts(site)
    if len(parts) > 1:
        yield from (removed((*site.path, part)) for part in parts)


def _parts(site: Site) -> list[Any]:
    if isinstance(site.type, Message) and isinstance(site.value, dict):
        needless = {*site.type.required, "weight"}
        below = [Site((*site.path, key), item, site.type) for key, item in site.value.items() if item is not None]
        found = [each.path[-1] for each in below if not is_note(each)]
        return [key for key in found if key not in needless] if len(found) > 1 else []
    if isinstance(site.type, MapOf) and isinstance(site.value, dict):
        return list(site.value)
    return list(range(len(site.value))) if isinstance(site.type, ListOf) and isinstance(site.value, list) else []
