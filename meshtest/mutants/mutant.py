"""All mutants of some resources."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshtest.errors import ResourceError
from meshtest.mutants.change import Change, changed, safe
from meshtest.mutants.choice import choice
from meshtest.mutants.destination import destination
from meshtest.mutants.duration import duration
from meshtest.mutants.number import number
from meshtest.mutants.order import order
from meshtest.mutants.percentage import percentage
from meshtest.mutants.removal import removal
from meshtest.mutants.retry import retry
from meshtest.mutants.site import Site, sites
from meshtest.mutants.status import status
from meshtest.mutants.string_match import string_match
from meshtest.mutants.subset import subset
from meshtest.mutants.surroundings import Surroundings
from meshtest.mutants.text import text
from meshtest.mutants.weight import weight
from meshtest.resources.document import Path
from meshtest.resources.manifest import check, is_istio
from meshtest.resources.resource import Resource

POINTS = 10.0

Kind = Callable[[Site, Surroundings], Iterator[Change]]
KINDS: tuple[Kind, ...] = (
    *(order, removal, weight, percentage, number, status, duration, choice, string_match),
    *(destination, subset, retry, text),
)


@dataclass(frozen=True)
class Mutant:
    """Resources of which one is changed in one way.

    `id` is short, unique among the mutants of the resources, of printable ASCII without blanks, and the same in each run:
    `VirtualService/reviews:http[0].route[1].weight=30`. `sentence` says what was changed, `file` and `line` where it stands;
    `path` leads to it in the object with this `key`. `resources` are all of them after the change, unchecked, as they were given.
    """

    id: str
    sentence: str
    key: tuple[str, str, str, str]
    path: Path
    file: str
    line: int
    resources: tuple[Resource, ...] = field(repr=False)

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"


def mutants(resources: Sequence[Resource], points: float = POINTS) -> Iterator[Mutant]:
    """Each mutant of these resources (as read, not yet checked), in the order of the manifest.

    Shares are moved by `points` percentage points, numbers by one, durations are doubled and halved, everything that may be
    left out is removed. What `check` refuses is no mutant, nor is what means the same as the original or an earlier one to it.
    Other than Istio's resources stay as they are. ValueError for points outside (0, 100]; ResourceError if the resources are wrong.
    """
    if not 0 < points <= 100:
        raise ValueError(f"points must be above 0 and at most 100; this is {points}")
    around = Surroundings(resources, points)
    istio = [index for index, each in enumerate(resources) if is_istio(each)]
    taken: set[str] = set()
    for index in istio:
        for change, resource in _of(resources[index], around):
            yield _mutant(resources, index, resource, change, taken)
        if len(istio) > 1:
            whole = Change((), "removed", f"{resources[index]} is removed", ())
            yield _mutant(resources, index, None, whole, taken)


def _of(resource: Resource, around: Surroundings) -> Iterator[tuple[Change, Resource]]:
    seen = {_meaning(check([resource])[0])}
    for site in sites(resource):
        for kind in KINDS:
            for change in kind(site, around):
                after = changed(resource, change.edits)
                meaning = _checked(after)
                if meaning is not None and meaning not in seen:
                    seen.add(meaning)
                    yield change, after


def _checked(resource: Resource) -> str | None:
    """What a resource says; None if it is wrong, or not implemented."""
    try:
        return _meaning(check([resource])[0])
    except ResourceError:
        return None


def _meaning(resource: Resource) -> str:
    return json.dumps(resource.body.get("spec"), sort_keys=True)


def _mutant(
    resources: Sequence[Resource], index: int, after: Resource | None, change: Change, taken: set[str]
) -> Mutant:
    own = resources[index]
    rest: tuple[Any, ...] = () if after is None else (after,)
    return Mutant(
        _unique(f"{_name(own)}:{change.place}{change.tail}", taken),
        change.sentence if after is None else f"{own}: {change.sentence}",
        own.key,
        change.path,
        own.file,
        own.line(*change.path),
        (*resources[:index], *rest, *resources[index + 1 :]),
    )


def _name(resource: Resource) -> str:
    """Kind and name; the namespace only where the author wrote it."""
    written = resource.body["metadata"].get("namespace")
    return safe("/".join(filter(None, (resource.kind, written, resource.name))))


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}+{number}"
    taken.add(found)
    return found
