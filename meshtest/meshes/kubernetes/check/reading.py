"""Reads of a cluster what the checks judge; what the user's rights do not reach is read as `Unseen`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from meshtest.meshes.kubernetes.api import Api, Missing, Refused
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.rights import CLUSTER, CONTROL_PLANE, RIGHTS, Right, needed, unseen
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen

T = TypeVar("T")
A = TypeVar("A")

_TOGETHER = 8  # requests at a time: an API server lets one user have few
_CONTROLLERS = ("deployments", "daemonsets", "statefulsets")


@dataclass(frozen=True)
class Place:
    """A namespace as it was read: what runs there. `where` says which of the rights count there."""

    name: str
    where: str
    controllers: Seen[list[Json]]
    pods: Seen[list[Pod]]
    events: list[Json]

    @property
    def living(self) -> list[Pod]:
        """The pods that could be seen, and are meant to run."""
        return [] if isinstance(self.pods, Unseen) else [pod for pod in self.pods if pod.living]


def each(read: Callable[[A], T], items: Collection[A]) -> list[T]:
    """What `read` gives for each of the items, in their order; several are read at a time."""
    with ThreadPoolExecutor(_TOGETHER) as pool:
        return list(pool.map(read, items))


def permitted(read: Callable[[], T], where: str, resource: tuple[str, str], namespace: str = "") -> Seen[T]:
    """What is read, or that the right to `resource` (group and name) is missing."""
    try:
        return read()
    except Refused as refused:
        if refused.status != 403:
            raise
        return unseen(refused.said, needed(where, *resource), namespace)


class Reader:
    """Reads objects of the API server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def kubernetes(self) -> Json:
        """The API server's version."""
        version: Json = self._api.get("/version")
        return version

    def namespace(self, name: str, where: str) -> Seen[Json | None]:
        """A namespace; None if there is none of that name."""
        return self._object(f"/api/v1/namespaces/{name}", where, "namespaces", name)

    def place(self, name: str, where: str) -> Place:
        """What runs in a namespace."""
        pods = self._list(f"/api/v1/namespaces/{name}/pods", where, ("", "pods"), name)
        events = self._list(f"/api/v1/namespaces/{name}/events", where, ("", "events"), name)
        return Place(
            name,
            where,
            self._controllers(name, where),
            pods if isinstance(pods, Unseen) else [Pod(each) for each in pods],
            [] if isinstance(events, Unseen) else events,
        )

    def service(self, namespace: str, name: str, where: str) -> Seen[Json | None]:
        """A Service; None if there is none of that name."""
        return self._object(f"/api/v1/namespaces/{namespace}/services/{name}", where, "services", namespace)

    def gateways(self, control_plane: str) -> list[tuple[str, str]]:
        """Namespace and name of the Services that lead to Istio's ingress gateway, as far as Services can be seen."""
        found = self._list("/api/v1/services", CLUSTER, ("", "services"))
        if isinstance(found, Unseen):
            place = f"/api/v1/namespaces/{control_plane}/services"
            found = self._list(place, CONTROL_PLANE, ("", "services"), control_plane)
        services = [] if isinstance(found, Unseen) else found
        selected = [one for one in services if (one["spec"].get("selector") or {}).get("istio") == "ingressgateway"]
        return [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in selected]

    def root(self, namespace: str, where: str) -> Seen[str | None]:
        """The roots (PEM) that proxies of a namespace are told to trust; None if they have not been told."""
        path = f"/api/v1/namespaces/{namespace}/configmaps/istio-ca-root-cert"
        found = self._object(path, where, "configmaps", namespace)
        return found if isinstance(found, Unseen) or found is None else (found.get("data") or {}).get("root-cert.pem")

    def webhooks(self) -> Seen[list[Json]]:
        """The configurations of webhooks, of both kinds."""
        kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
        group = "admissionregistration.k8s.io"
        return _together([self._list(f"/apis/{group}/v1/{kind}", CLUSTER, (group, kind)) for kind in kinds])

    def refused(self, where: str, namespace: str) -> Mapping[Right, list[tuple[str, str]]]:
        """What the user may not, of each right that is needed there: verb and resource."""
        refused: dict[Right, list[tuple[str, str]]] = {right: [] for right in RIGHTS if right.where == where}
        asked = [(right, *question) for right in refused for question in right.questions()]
        may = each(lambda one: self._api.may(one[1], one[0].group, one[2], namespace, one[3], one[4]), asked)
        for (right, verb, resource, subresource, name), allowed in zip(asked, may, strict=True):
            if not allowed:
                of = "/".join(filter(None, (resource, subresource)))
                refused[right].append((verb, f"{of} {name}".strip()))
        return refused

    def _controllers(self, name: str, where: str) -> Seen[list[Json]]:
        base = f"/apis/apps/v1/namespaces/{name}"
        return _together([self._list(f"{base}/{kind}", where, ("apps", kind), name) for kind in _CONTROLLERS])

    def _list(self, path: str, where: str, resource: tuple[str, str], namespace: str = "") -> Seen[list[Json]]:
        return permitted(lambda: self._api.list(path), where, resource, namespace)

    def _object(self, path: str, where: str, resource: str, namespace: str) -> Seen[Json | None]:
        def read() -> Json | None:
            try:
                found: Json = self._api.get(path)
            except Missing:
                return None
            return found

        return permitted(read, where, ("", resource), namespace)


def _together(lists: Collection[Seen[list[Json]]]) -> Seen[list[Json]]:
    """All of several lists; unseen if one of them is."""
    found: list[Json] = []
    for each_list in lists:
        if isinstance(each_list, Unseen):
            return each_list
        found += each_list
    return found
