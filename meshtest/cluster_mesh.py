"""The mesh of a cluster for a pytest process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from meshtest.errors import MeshError

if TYPE_CHECKING:
    from meshtest.meshes.kubernetes.mesh import KubernetesMesh
    from meshtest.meshes.kubernetes.place import Place
    from meshtest.meshes.protocol import Mesh


class ClusterMesh:
    """There is one, whatever it runs; what tests say that it should run must be there."""

    def __init__(self, place: Place, context: str | None) -> None:
        self._place, self._context = place, context
        self._mesh: KubernetesMesh | MeshError | None = None

    def mesh(self, paths: tuple[Path, ...]) -> Mesh:
        """The mesh; MeshError if it is of no use, or does not run what is in these manifests."""
        if self._mesh is None:
            self._mesh = self._opened()
        if isinstance(self._mesh, MeshError):
            raise MeshError(str(self._mesh))
        self._mesh.begin()
        if paths:
            _check_workloads(self._mesh, paths)
        return self._mesh

    def _opened(self) -> KubernetesMesh | MeshError:
        from meshtest.meshes.kubernetes.api import Api
        from meshtest.meshes.kubernetes.check.preflight import preflight
        from meshtest.meshes.kubernetes.mesh import KubernetesMesh

        try:
            api = Api(self._context)
            preflight(api, self._place.namespaces, istio=self._place.control_plane)
            return KubernetesMesh(api, self._place)
        except MeshError as error:
            return error

    def close(self) -> None:
        """Take back what is in force, and hang up."""
        mesh, self._mesh = self._mesh, None
        if mesh is not None and not isinstance(mesh, MeshError):
            mesh.close()


def _check_workloads(mesh: KubernetesMesh, paths: tuple[Path, ...]) -> None:
    from meshtest.topology.default import default_topology

    wanted = default_topology(paths, gateways=False)
    missing = [name for name, own in wanted.names.items() if not own[0].gateway and name not in mesh.workloads()]
    if missing:
        files = " ".join(f"--topology {each}" for each in paths)
        raise MeshError(
            f"the cluster does not run {', '.join(missing)} (with a sidecar), which {', '.join(map(str, paths))} describes: "
            f"`meshtest bookinfo --namespace {mesh.namespace} {files} | kubectl apply -f -` makes stand-ins"
        )
