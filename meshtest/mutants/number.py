"""Thresholds and ports."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.percentage import is_percentage
from meshtest.mutants.site import Site
from meshtest.mutants.status import is_status
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.schema import Enum, Number, Type

_PORTS = ("number", "port", "targetPort")


def number(site: Site, around: Surroundings) -> Iterator[Change]:
    """A whole number n becomes n - 1 and n + 1, a port the next one; a number that may have a fraction is halved and doubled."""
    if not _is_number(site.value, site.type) or is_percentage(site) or is_status(site) or _is_weight(site):
        return
    if site.field in _PORTS or site.within == "ports":
        news: tuple[float, ...] = (site.value + 1,)
    elif isinstance(site.type, Number):
        news = (site.value / 2, site.value * 2)
    else:
        news = (site.value - 1, site.value + 1)
    yield from (put(site.path, site.value, new) for new in news)


def _is_number(value: object, type_: Type) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not isinstance(type_, Enum)


def _is_weight(site: Site) -> bool:
    return site.field == "weight" or "distribute" in site.path
