"""Where a rule sends to."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings


def destination(site: Site, around: Surroundings) -> Iterator[Change]:
    """Another host that some rule sends to, else one that is not there."""
    if site.field == "host" and site.within in ("destination", "mirror") and isinstance(site.value, str):
        name, dot, domain = site.value.partition(".")
        other = next((each for each in around.destinations if each != site.value), f"{name}-mutant{dot}{domain}")
        yield put(site.path, site.value, other)
