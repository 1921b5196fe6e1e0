"""Shares of traffic: a number of percentage points goes from one destination to the next, or to the one before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from math import gcd

from meshtest.mutants.change import Change
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.document import Path
from meshtest.resources.resource import dotted

_MOST_PAIRS = 4  # destinations of which each gives to each other one; of more, each gives to its neighbours


def weight(site: Site, around: Surroundings) -> Iterator[Change]:
    """Of weighted destinations, endpoints of a ServiceEntry and distributions by locality.

    A move that is larger than what the giver has is none, since it would be smaller than stated.
    """
    shares = _shares(site)
    weights = [share for _, share in shares]
    if len(shares) < 2 or not sum(weights):
        return
    for giver, taker in _pairs(len(shares)):
        moved = _moved(weights, giver, taker, around.points)
        if moved is not None:
            yield _change(shares, moved, giver, taker)


def _shares(site: Site) -> list[tuple[Path, int]]:
    """Where the weights stand, and what they are: an endpoint without one has 1, a destination none."""
    if site.field == "to" and site.within == "distribute" and isinstance(site.value, dict):
        found = [((*site.path, key), value) for key, value in site.value.items()]
    elif site.path[-1] in ("route", "endpoints") and isinstance(site.value, list):
        absent = 1 if site.field == "endpoints" else 0
        items = [each if isinstance(each, dict) else {} for each in site.value]
        found = [((*site.path, index, "weight"), each.get("weight", absent)) for index, each in enumerate(items)]
    else:
        return []
    return found if all(isinstance(value, int) and value >= 0 for _, value in found) else []


def _pairs(count: int) -> list[tuple[int, int]]:
    if count <= _MOST_PAIRS:
        return list(permutations(range(count), 2))
    return [pair for one in range(count) for pair in ((one, (one + 1) % count), ((one + 1) % count, one))]


def _moved(weights: list[int], giver: int, taker: int, points: float) -> list[int] | None:
    """The weights after the move, in whole numbers; None where the giver has too little.

    Points are taken to a thousandth.
    """
    thousandths, scale = round(points * 1000) * sum(weights), 100_000
    if weights[giver] * scale < thousandths:
        return None
    least = scale // gcd(scale, thousandths)
    moved = [each * least for each in weights]
    delta = thousandths * least // scale
    moved[giver] -= delta
    moved[taker] += delta
    common = gcd(*moved) if least > 1 else 1
    return [each // common for each in moved]


def _change(shares: list[tuple[Path, int]], moved: list[int], giver: int, taker: int) -> Change:
    path = shares[taker][0]
    group = path[:-2] if path[-1] == "weight" else path[:-1]
    before, after = (":".join(map(str, each)) for each in ([share for _, share in shares], moved))
    tail = f"={moved[taker]}" if len(shares) == 2 else f"={moved[taker]}<{giver}"
    sentence = f"the weights of {dotted(group)} are {after} instead of {before}"
    return Change(path, tail, sentence, tuple((place, new) for (place, _), new in zip(shares, moved, strict=True)))
