"""Percentages: of faults, mirrored requests, ejected hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshtest.mutants.change import Change, put, word
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.document import Path
from meshtest.resources.resource import dotted

_SHARED = ("percentage", "mirrorPercentage", "percent", "mirrorPercent", "mirror_percent")


def is_percentage(site: Site) -> bool:
    """Whether a number counts in hundredths of a whole."""
    number = isinstance(site.value, int | float) and not isinstance(site.value, bool)
    return number and (
        site.field.lower().endswith("percent") or (site.field == "value" and site.within.endswith("ercentage"))
    )


def percentage(site: Site, around: Surroundings) -> Iterator[Change]:
    """Moved by the points up and down, as far as there is room; what all requests meet because nothing is said meets fewer."""
    if is_percentage(site):
        for new in (site.value + around.points, site.value - around.points):
            if 0 <= new <= 100:
                yield put(site.path, site.value, _like(site.value, new))
    for place, value in _of_all(site):
        if not any(field in value for field in _SHARED):
            yield _fewer((*site.path, place), 100 - around.points)


def _fewer(path: Path, share: float) -> Change:
    sentence = f"{dotted(path)}.value is {word(share)} instead of 100, where nothing is said"
    return Change(path, f".value={word(share)}", sentence, ((path, {"value": share}),))


def _of_all(site: Site) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(site.value, dict) and "mirror" in site.value:
        yield "mirrorPercentage", site.value
    elif isinstance(site.value, dict) and site.field == "mirrors":
        yield "percentage", site.value


def _like(old: Any, new: float) -> float | int:
    return int(new) if isinstance(old, int) and float(new).is_integer() else new
