"""Spans of time."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.duration import envoy_duration, nanoseconds
from meshtest.resources.schema import Duration


def duration(site: Site, around: Surroundings) -> Iterator[Change]:
    """Doubled and halved."""
    if not isinstance(site.value, str) or not (isinstance(site.type, Duration) or site.field == "ttl"):
        return
    if amount := nanoseconds(site.value):
        yield from (put(site.path, site.value, envoy_duration(new)) for new in (amount * 2, amount // 2))
