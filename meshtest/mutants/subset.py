"""Subsets: which one a rule names, and which labels it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshtest.mutants.change import Change, put
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings


def subset(site: Site, around: Surroundings) -> Iterator[Change]:
    """Each other subset of the host; a label as another subset has it, else as none."""
    if not isinstance(site.value, str) or site.above is None:
        return
    if site.field == "subset":
        host = str(site.above.value.get("host"))
        others = [each for each in around.subsets(host) if each != site.value] or [f"{site.value}-mutant"]
        yield from (put(site.path, site.value, other) for other in dict.fromkeys(others))
    elif site.above.field == "labels" and "subsets" in site.path:
        values = [value for value in _values(site) if value != site.value]
        yield from (put(site.path, site.value, new) for new in dict.fromkeys([*values, f"{site.value}-mutant"]))


def _values(site: Site) -> Iterator[Any]:
    """What the label is in all subsets."""
    top = site
    while top.above is not None and top.path[-1] != "subsets":
        top = top.above
    for each in top.value:
        labels = each.get("labels") if isinstance(each, dict) else None
        if isinstance(labels, dict) and site.path[-1] in labels:
            yield labels[site.path[-1]]
