"""A workload: where traffic comes from, and what can be made to misbehave, as a whole or one instance of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshtest.instance import Instance, Instances
from meshtest.meshes.protocol import Mesh
from meshtest.source import Source

if TYPE_CHECKING:
    from meshtest.proof import Watch


class Workload(Instances, Source):
    """A workload such as `reviews-v2`: a source of mesh and egress traffic, and what can be made to misbehave."""

    def __init__(self, mesh: Mesh, workload: str, connections: int, watch: Watch) -> None:
        Source.__init__(self, mesh, workload, connections, watch)
        Instances.__init__(self, mesh, workload, None)

    @property
    def instances(self) -> Sequence[Instance]:
        """Its instances, in order."""
        name, _ = self._whose
        return [Instance(self._mesh, name, number) for number in range(len(self._pods.names(name)))]

    def instance(self, number: int) -> Instance:
        """One of its instances, counted from 0; ValueError if it has none of that number."""
        found = self.instances
        if not 0 <= number < len(found):
            raise ValueError(f"{self} has no instance {number}: it has {len(found)}, counted from 0")
        return found[number]
