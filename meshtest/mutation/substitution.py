"""A mutant in the place of the resources that a test applies, and whether that made a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from meshtest.errors import ResourceError
from meshtest.mutants.equivalence import equivalent
from meshtest.mutants.mutant import mutants
from meshtest.mutation.case import Case
from meshtest.resources.manifest import check, is_istio
from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology

Resources = Mapping[tuple[str, str, str, str], Resource]
Edited = Callable[[Resources], Resources]


class Substitution:
    """What one run of a test puts in force instead.

    `applied` says that the manifest was, `differs` that some proxy was then sent something else than it would have been.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.applied = False
        self.differs = False
        self._plain: dict[tuple[str, str, str, str], Resource] = {}

    def replaced(self, found: Sequence[Resource]) -> list[Resource]:
        """The resources with those of the manifest as the mutant has them."""
        own = [each for each in found if is_istio(each) and Path(each.file).resolve() == self.case.manifest.resolve()]
        if self.case.original or not own:
            return list(found)
        self.applied = True
        mutant = next((each for each in mutants(own, self.case.points) if each.id == self.case.id), None)
        if mutant is None:
            raise ResourceError(
                f"{self.case.manifest}: has no mutant {self.case.id} any more; was it changed meanwhile?"
            )
        return [*(each for each in found if each not in own), *mutant.resources]

    def compare(self, topology: Topology, plain: Sequence[Resource], wanted: Iterable[Resource]) -> None:
        """Note whether what is now wanted differs from what would be in force without the mutant.

        `plain` is what the test applies, as it stands in its manifests.
        """
        if self.case.original:
            return
        self._plain |= {each.key: each for each in check(plain)}
        self.differs = self.differs or not equivalent(topology, self._plain.values(), wanted)

    def compare_edited(self, topology: Topology, edited: Edited, wanted: Iterable[Resource]) -> None:
        """The same of what an experiment makes of what was applied; where it cannot make it of the manifest, that differs."""
        if self.case.original:
            return
        try:
            plain = edited(self._plain)
        except (ValueError, ResourceError):
            self.differs = True
        else:
            self.differs = self.differs or not equivalent(topology, plain.values(), wanted)


_KEY = pytest.StashKey[Substitution]()


def substitution(item: pytest.Item, case: Case) -> Substitution:
    """A new one, kept with the item that runs."""
    item.stash[_KEY] = Substitution(case)
    return item.stash[_KEY]


def substitution_of(item: pytest.Item) -> Substitution | None:
    """That of an item; None before its mesh is there."""
    return item.stash.get(_KEY, None)
