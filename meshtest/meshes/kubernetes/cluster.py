"""What is in a cluster: the topology, and the Istio resources that are there already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from meshtest.meshes.kubernetes.api import Api, Missing, Refused
from meshtest.resources.manifest import check, is_istio, read_objects
from meshtest.resources.problem import WrongResources
from meshtest.resources.resource import Resource
from meshtest.topology.kubernetes import checked
from meshtest.topology.mesh_config import examined as mesh_config
from meshtest.topology.topology import Topology, assembled

Json = dict[str, Any]

_ISTIO = (
    *(
        ("networking.istio.io/v1", each, kind)
        for each, kind in (
            ("gateways", "Gateway"),
            ("virtualservices", "VirtualService"),
            ("destinationrules", "DestinationRule"),
            ("serviceentries", "ServiceEntry"),
            ("workloadentries", "WorkloadEntry"),
            ("sidecars", "Sidecar"),
        )
    ),
    ("security.istio.io/v1", "peerauthentications", "PeerAuthentication"),
    ("security.istio.io/v1", "authorizationpolicies", "AuthorizationPolicy"),
)
_FORBIDDEN = 403


class Cluster:
    """What the user may see of a cluster: all of it, or (where rights end) the namespaces that are named, and the control plane's."""

    def __init__(self, api: Api, namespaces: Collection[str], control_plane: str) -> None:
        self._api = api
        self._seen = tuple(dict.fromkeys((*namespaces, control_plane)))
        self._control_plane = control_plane
        self.unseen: set[str] = set()
        """What could not be read: `pods in istio-system`."""

    def topology(self) -> Topology:
        """Services, pods that run (those that are not ready as such), nodes and the mesh's configuration."""
        pods = self._list("v1", "pods", "Pod")
        running = [each for each in pods if _runs(each)]
        services = [each for each in self._list("v1", "services", "Service") if _has_endpoints(each)]
        objects = [*services, *map(_without_status, running), *self._nodes(), *self._mesh_config()]
        known = _described(read_objects(objects))
        made = assembled(known, mesh_config(known)[0])
        waiting = frozenset(each["status"]["podIP"] for each in running if not ready(each))
        return replace(made, unready=waiting, home=self._seen[0])

    def resources(self, but: Iterable[tuple[str, str, str, str]] = ()) -> tuple[Resource, ...]:
        """The Istio resources that are in force, but those with these keys; what meshtest does not understand is left out."""
        left_out = set(but)
        found = [each for version, plural, kind in _ISTIO for each in self._list(version, plural, kind)]
        return tuple(each for each in _understood(read_objects(found)) if each.key not in left_out)

    def _list(self, version: str, plural: str, kind: str) -> list[Json]:
        prefix = "/apis" if "/" in version else "/api"
        try:
            found = self._api.list(f"{prefix}/{version}/{plural}")
        except Missing:
            return []  # an older Istio, or one without this kind
        except Refused as refused:
            if refused.status != _FORBIDDEN:
                raise
            found = [each for name in self._seen for each in self._in_namespace(f"{prefix}/{version}", name, plural)]
        return [{**each, "apiVersion": version, "kind": kind} for each in found]

    def _in_namespace(self, prefix: str, namespace: str, plural: str) -> list[Json]:
        try:
            return self._api.list(f"{prefix}/namespaces/{namespace}/{plural}")
        except Refused as refused:
            if refused.status != _FORBIDDEN:
                raise
            self.unseen.add(f"{plural} in {namespace}")
            return []

    def _nodes(self) -> list[Json]:
        try:
            found = self._api.list("/api/v1/nodes")
        except Refused:
            self.unseen.add("nodes")
            return []
        return [{"apiVersion": "v1", "kind": "Node", "metadata": _plain(each["metadata"])} for each in found]

    def _mesh_config(self) -> list[Json]:
        try:
            found = self._api.get(f"/api/v1/namespaces/{self._control_plane}/configmaps/istio")
        except Missing:
            return []
        except Refused:
            self.unseen.add(f"ConfigMap istio in {self._control_plane}")
            return []
        return [{**found, "metadata": _plain(found["metadata"])}]


def _runs(pod: Json) -> bool:
    status = pod.get("status", {})
    ended = status.get("phase") in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]
    return bool(status.get("podIP")) and not ended and not pod["spec"].get("hostNetwork")


def ready(pod: Json) -> bool:
    """Whether a pod is ready, as its conditions say."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _has_endpoints(service: Json) -> bool:
    return bool(service["spec"].get("type") != "ExternalName")


def _without_status(pod: Json) -> Json:
    return {**pod, "status": {"podIP": pod["status"]["podIP"], "phase": "Running"}, "metadata": _plain(pod["metadata"])}


def _plain(metadata: Json) -> Json:
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _described(found: Iterable[Resource]) -> list[Resource]:
    """Those that describe a topology; what is somebody else's, and not understood here, is left out."""
    return [known for each in found for known in _allowed(checked, each)]


def _understood(found: Iterable[Resource]) -> list[Resource]:
    return [known for each in found if is_istio(each) for known in _allowed(check, each)]


def _allowed(reads: Callable[[list[Resource]], list[Resource]], each: Resource) -> list[Resource]:
    try:
        return reads([each])
    except WrongResources:
        return []
