"""Texts: hosts, names, paths, values of headers, bodies."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.choice import words
from meshtest.mutants.removal import is_note
from meshtest.mutants.site import Site, accepts
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.schema import Duration

_OTHERWISE = ("subset", "retryOn", "ttl")  # which other modules change
_ELSEWHERE = {("destination", "host"), ("mirror", "host")}


def text(site: Site, around: Surroundings) -> Iterator[Change]:
    """The text as another one of its kind: the first of several that the field's type takes."""
    if not isinstance(site.value, str) or isinstance(site.type, Duration) or words(site.type):
        return
    if site.field in _OTHERWISE or is_note(site) or (site.within, site.field) in _ELSEWHERE:
        return
    new = next((each for each in _others(site.value) if each != site.value and accepts(site.type, each)), None)
    if new is not None:
        yield put(site.path, site.value, new)


def _others(value: str) -> Iterator[str]:
    namespace, slash, name = value.rpartition("/")
    if value.isdecimal():
        yield str(int(value) + 1)
    if name.startswith("*"):
        yield f"{namespace}{slash}mutant.example.com"
    yield from (f"{value}-mutant", f"{value}x", f"x{value}", f"mutant.{value}", "mutant.example.com", "203.0.113.254")
    yield from ("mutant", "/mutant")
