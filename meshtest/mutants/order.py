"""The order of rules, of which the first that matches counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.conjunction import conjunction
from meshtest.mutants.change import Change
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.resource import dotted

_WITHOUT_EFFECT = ("match", "name")


def order(site: Site, around: Surroundings) -> Iterator[Change]:
    """Neighbours change places, unless no request fits both, or they do the same."""
    if site.path not in (("spec", "http"), ("spec", "tls"), ("spec", "tcp")) or not isinstance(site.value, list):
        return
    for index, (one, other) in enumerate(zip(site.value, site.value[1:], strict=False)):
        if not _same(one, other) and not (site.field == "http" and _apart(one, other)):
            first, second = (*site.path, index), (*site.path, index + 1)
            sentence = f"{dotted(first)} and {dotted(second)} have changed places"
            yield Change(first, ":swapped", sentence, ((first, other), (second, one)))


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return {**one, **dict.fromkeys(_WITHOUT_EFFECT)} == {**other, **dict.fromkeys(_WITHOUT_EFFECT)}


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether certainly no request fits a match of each."""
    return all(
        conjunction(mine).apart(conjunction(its))
        for mine in one.get("match") or [{}]
        for its in other.get("match") or [{}]
    )
