"""Recorded cases with something changed: left out, repeated, put in another order, or taken over from another case."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import yaml

from tests.istiod.places import CASES, GOLDEN

Json = dict[str, Any]
Place = tuple[Any, ...]
# Of these only what stands beside them is of interest.
KINDS = {
    *("VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "Sidecar"),
    *("PeerAuthentication", "AuthorizationPolicy", "Service"),
}


class Mutation:
    """Documents of one seed: a recorded case, or two, with a few changes."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def documents(self) -> list[Json]:
        """The resources of one case or two, changed."""
        chosen = self._random.sample(recorded(), self._random.choice((1, 1, 2)))
        documents = _distinct(deepcopy([each for case in chosen for each in case]))
        for _ in range(self._random.choice((1, 1, 2, 3, 4))):
            self._change(documents)
        return documents

    def _change(self, documents: list[Json]) -> None:
        document = self._random.choice(documents)
        places = list(_places(document.get("spec"), ("spec",)))
        if not places:
            return
        place = self._random.choice(places)
        change = self._random.choice((self._leave_out, self._repeat, self._reorder, *(self._take_over, self._add) * 3))
        change(document, place)

    def _leave_out(self, document: Json, place: Place) -> None:
        del _holder(document, place)[place[-1]]

    def _repeat(self, document: Json, place: Place) -> None:
        holder = _holder(document, place)
        if isinstance(holder, list):
            holder.append(deepcopy(holder[place[-1]]))

    def _reorder(self, document: Json, place: Place) -> None:
        holder = _holder(document, place)
        if isinstance(holder, list):
            self._random.shuffle(holder)

    def _take_over(self, document: Json, place: Place) -> None:
        """The value that another case has there."""
        found = values().get((document["kind"], _look(place)))
        if found:
            _holder(document, place)[place[-1]] = deepcopy(self._random.choice(found))

    def _add(self, document: Json, place: Place) -> None:
        """A field that another case has beside this one."""
        holder = _holder(document, place)
        if not isinstance(holder, dict):
            return
        beside = fields().get((document["kind"], _look(place[:-1])), [])
        if beside:
            key, value = self._random.choice(beside)
            holder[key] = deepcopy(value)


def _distinct(documents: list[Json]) -> list[Json]:
    """Each object once: of two cases that use one name the latter counts."""
    return list({(each["kind"], *_name(each["metadata"])): each for each in documents}.values())


def _name(metadata: Json) -> tuple[str, str]:
    return metadata.get("namespace", "default"), metadata["name"]


def _places(value: Any, at: Place) -> Iterator[Place]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*at, key)
        yield from _places(each, (*at, key))


def _holder(document: Json, place: Place) -> Any:
    holder: Any = document
    for step in place[:-1]:
        holder = holder[step]
    return holder


def _look(place: Place) -> Place:
    """A place without indices, so that items of a list are alike."""
    return tuple("[]" if isinstance(step, int) else step for step in place)


@cache
def recorded() -> list[list[Json]]:
    """The documents of every recorded case that is within what is translated."""
    paths = sorted([*CASES.glob("*.yaml"), *(GOLDEN / "cases").glob("*.yaml")], key=lambda path: path.name)
    cases = ([each for each in yaml.safe_load_all(path.read_text()) if each] for path in paths)
    return [case for case in cases if all(_wanted(each) for each in case)]


def _wanted(document: Json) -> bool:
    return document["kind"] in KINDS and "gateway.networking.k8s.io" not in document["apiVersion"]


@cache
def values() -> dict[tuple[str, Place], list[Any]]:
    """What stands at each place of a kind, in all cases."""
    found: dict[tuple[str, Place], list[Any]] = {}
    for document in (each for case in recorded() for each in case):
        for place in _places(document.get("spec"), ("spec",)):
            found.setdefault((document["kind"], _look(place)), []).append(_holder(document, place)[place[-1]])
    return found


@cache
def fields() -> dict[tuple[str, Place], list[tuple[str, Any]]]:
    """The fields that stand within each place of a kind, with a value for each time they do."""
    found: dict[tuple[str, Place], list[tuple[str, Any]]] = {}
    for (kind, place), each in values().items():
        if place[-1] != "[]":
            found.setdefault((kind, place[:-1]), []).extend((place[-1], value) for value in each)
    return found
