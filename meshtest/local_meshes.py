"""The local meshes of a pytest process, each started when a test first needs it."""

from __future__ import annotations

from pathlib import Path

from meshtest.errors import MeshError
from meshtest.meshes.protocol import Mesh

MOST_MESHES = 2
"""So many are kept for tests to come; each takes hundreds of megabytes, and another one starts in less than a second."""


class LocalMeshes:
    """By the manifests of what they run."""

    def __init__(self) -> None:
        self._meshes: dict[tuple[Path, ...], Mesh | MeshError] = {}

    @property
    def kept(self) -> list[Mesh]:
        """Those that run, the one that was used last at the end."""
        return [each for each in self._meshes.values() if not isinstance(each, MeshError)]

    def mesh(self, paths: tuple[Path, ...]) -> Mesh:
        """The one that runs this; MeshError, for each test anew, if it did not start."""
        if paths not in self._meshes or _ended(self._meshes[paths]):
            self._make_room(MOST_MESHES - 1)
            self._meshes[paths] = self._started(paths)
        found = self._meshes[paths] = self._meshes.pop(paths)  # used last, ended last
        if isinstance(found, MeshError):
            raise MeshError(str(found))  # said once for each test, without starting again
        return found

    def _started(self, paths: tuple[Path, ...]) -> Mesh | MeshError:
        """A mesh; where the others leave it too little, they are ended."""
        from meshtest.meshes.local.watches import TooFewWatches

        found = _start(paths)
        if isinstance(found, TooFewWatches) and self._make_room(0):
            return _start(paths)
        return found

    def _make_room(self, most: int) -> int:
        """End the meshes that have not been used for the longest time, but for so many; how many ended."""
        alive = [(paths, each) for paths, each in self._meshes.items() if not isinstance(each, MeshError)]
        ended = alive[: max(len(alive) - most, 0)]
        for paths, each in ended:
            each.close()
            del self._meshes[paths]
        return len(ended)

    def close(self) -> None:
        """End all."""
        kept, self._meshes = self.kept, {}
        for mesh in kept:
            mesh.close()


def _start(paths: tuple[Path, ...]) -> Mesh | MeshError:
    from meshtest.meshes.local.mesh import LocalMesh
    from meshtest.topology.default import default_topology

    topology = default_topology(paths)
    try:
        mesh = LocalMesh(topology)
        # Load what drives and judges, scipy among it, while the processes start.
        import meshtest.judging.split_test
        import meshtest.source  # noqa: F401

        mesh.wait_ready()
        return mesh
    except MeshError as error:
        return error


def _ended(mesh: Mesh | MeshError) -> bool:
    """Whether a process of the mesh has ended, which the test of that moment has been told; then the rest of it is ended, too."""
    if isinstance(mesh, MeshError):
        return False
    try:
        mesh.check()
    except MeshError:
        mesh.close()
        return True
    return False
