"""How the ingress gateway of a cluster is reached from here, found as a person would."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Missing, Refused
from meshtest.topology.instance import Instance

Json = dict[str, Any]
Address = tuple[str, int]

INSIDE = "in-cluster"
"""Instead of a URL: the gateway is called from a pod in the cluster."""
_PATIENCE = 2.0  # seconds to connect


@dataclass(frozen=True)
class Way:
    """One way to a gateway: how people call it, and where each port of the gateway's Service is on it (None: nowhere)."""

    name: str
    to: Callable[[int], Address | None] = field(compare=False)

    def reaches(self, port: int) -> bool:
        """Whether somebody listens there."""
        address = self.to(port)
        return address is not None and _listens(address)


class Gateway:
    """The ingress gateway: its pods, its Service, and the way there.

    Tried are, in this order: the URL that the user gave, the load balancer's address, node ports, the Service's own address (from within
    the cluster), a port-forward through the API server, if the user may, and at last a pod of the run's own. `forwarded` makes a
    port-forward, `inside` a way from that pod to a port of a host.
    """

    def __init__(
        self,
        api: Api,
        instances: Sequence[Instance],
        url: str | None,
        forwarded: Callable[[Instance, int], Address],
        inside: Callable[[str, int], Address],
    ) -> None:
        if not instances:
            raise MeshError(
                "the cluster has no ingress gateway that can be seen: no running pod is labelled istio=ingressgateway; "
                "`istioctl install` makes one, and `meshtest check` says what is missing"
            )
        self.instances = tuple(instances)
        self._api = api
        self._forwarded, self._inside = forwarded, inside
        self._only_inside = url == INSIDE
        self._service = _service(api, self.instances[0])
        self._nodes = _nodes(api) if self._service else []
        self._ways = [] if self._only_inside else [*self._found(url)]
        self._chosen: dict[int, tuple[str, Address]] = {}

    def at(self, port: int, target: int) -> Address:
        """Where a port of the gateway's Service (its pods' `target`) is reached from here; MeshError if no way leads there."""
        if port not in self._chosen:
            self._chosen[port] = self._choose(port, target)
        return self._chosen[port][1]

    @property
    def ways(self) -> list[str]:
        """The ways that were chosen, by port, for people."""
        return [
            f"port {port} by {name} at {host}:{number}" for port, (name, (host, number)) in sorted(self._chosen.items())
        ]

    def _choose(self, port: int, target: int) -> tuple[str, Address]:
        for way in self._ways:
            if (address := way.to(port)) is not None and _listens(address):
                return way.name, address
        namespace = self.instances[0].namespace
        if not self._only_inside and self._api.may("create", "", "pods", namespace, "portforward"):
            return "a port-forward", self._forwarded(self.instances[0], target)
        return "a pod in the cluster", self._inside(self._host, self._port_inside(port, target))

    @property
    def _host(self) -> str:
        """The name of the gateway's Service within the cluster; the pod's address where there is no Service."""
        if self._service is None:
            return self.instances[0].address
        return f"{self._service['metadata']['name']}.{self.instances[0].namespace}.svc"

    def _port_inside(self, port: int, target: int) -> int:
        return target if self._service is None else port

    def _found(self, url: str | None) -> Iterator[Way]:
        if url is not None:
            yield Way("the URL that was given", _by_url(url))
            return
        if self._service is None:
            return
        spec, status = self._service["spec"], self._service.get("status", {})
        for each in status.get("loadBalancer", {}).get("ingress") or ():
            host = each.get("ip") or each.get("hostname")
            yield Way("the load balancer", _at(str(host), {each["port"]: each["port"] for each in spec["ports"]}))
        numbers = {each["port"]: each["nodePort"] for each in spec["ports"] if each.get("nodePort")}
        for node in self._nodes:
            yield Way("a node port", _at(node, numbers))
        if spec.get("clusterIP") not in (None, "None"):
            yield Way(
                "the Service's address", _at(spec["clusterIP"], {each["port"]: each["port"] for each in spec["ports"]})
            )


def _at(host: str, numbers: dict[int, int]) -> Callable[[int], Address | None]:
    return lambda port: (host, numbers[port]) if port in numbers else None


def _by_url(url: str) -> Callable[[int], Address | None]:
    """The URL's port is that of port 80 (of https: 443); all others are their own."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    if not parts.hostname:
        raise MeshError(f"--mesh-gateway {url!r} is no URL of a gateway: write http://HOST[:PORT], or {INSIDE}")
    host, usual = parts.hostname, 443 if parts.scheme == "https" else 80
    return lambda port: (host, parts.port if port == usual and parts.port else port)


def _listens(address: Address) -> bool:
    try:
        with socket.create_connection(address, _PATIENCE):
            return True
    except OSError:
        return False


def _service(api: Api, instance: Instance) -> Json | None:
    """The Service of a gateway's pods; None if there is none, or it may not be read."""
    try:
        found = api.list(f"/api/v1/namespaces/{instance.namespace}/services")
    except (Refused, Missing):
        return None
    own = [each for each in found if _selects(each["spec"].get("selector") or {}, instance)]
    return next(iter(sorted(own, key=lambda each: each["spec"].get("type") != "LoadBalancer")), None)


def _selects(selector: dict[str, str], instance: Instance) -> bool:
    return bool(selector) and selector.items() <= dict(instance.labels).items()


def _nodes(api: Api) -> list[str]:
    """Addresses of nodes, external ones first; none if they may not be read."""
    try:
        nodes = api.list("/api/v1/nodes")
    except (Refused, Missing):
        return []
    found = [each for node in nodes for each in node.get("status", {}).get("addresses", ())]
    order = ("ExternalIP", "InternalIP")
    return [each["address"] for kind in order for each in found if each["type"] == kind]
