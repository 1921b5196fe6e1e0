"""Conditions on texts: exact where only the beginning was asked for, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.resource import dotted

_OTHER = {"exact": "prefix", "prefix": "exact"}


def string_match(site: Site, around: Surroundings) -> Iterator[Change]:
    """A StringMatch of the other kind; the text stays."""
    if not isinstance(site.value, dict) or len(site.value) != 1:
        return
    (kind, text), *_ = site.value.items()
    if kind in _OTHER and isinstance(text, str):
        new = _OTHER[kind]
        yield Change(
            site.path, f"={new}", f"{dotted(site.path)} is {new} instead of {kind}", ((site.path, {new: text}),)
        )
