"""Gateways as VirtualServices meet them: servers by the hosts that they serve, and the pods that run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate.host import matches

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


@dataclass(frozen=True, eq=False)
class Server:
    """One server of a Gateway. `hosts` are pairs of the namespace it is for (empty for all) and a host."""

    gateway: Resource
    spec: Mapping[str, Any]
    path: Path
    hosts: tuple[tuple[str, str], ...]

    @property
    def number(self) -> int:
        """Its port."""
        return int(self.spec["port"]["number"])

    @property
    def protocol(self) -> str:
        """Its protocol, in capitals."""
        return str(self.spec["port"]["protocol"]).upper()

    @property
    def mode(self) -> str:
        """Its TLS mode; empty where it has no TLS settings."""
        return str(self.spec["tls"].get("mode", "PASSTHROUGH")) if "tls" in self.spec else ""

    @property
    def rules(self) -> str:
        """The section of a VirtualService that counts here: http, tls or tcp (`pilot/pkg/model/gateway.go`)."""
        if self.protocol in HTTP_PROTOCOLS:
            return "http"
        if self.protocol in ("HTTPS", "TLS") and self.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH"):
            return "tls"
        return "http" if self.protocol == "HTTPS" else "tcp"

    @property
    def speaks(self) -> str:
        """What it does with connections, for a sentence."""
        if self.rules == "tls":
            return "passes TLS through unread"
        return "reads HTTP" if self.rules == "http" else "forwards TCP"


class Gateway:
    """A Gateway, its servers and its pods."""

    def __init__(self, resource: Resource, workloads: Iterable[Workload]) -> None:
        self.resource = resource
        self.workloads = list(workloads)
        self.servers = [_server(resource, spec, index) for index, spec in enumerate(resource.spec.get("servers", []))]

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return f"{self.resource.namespace}/{self.resource.name}"

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Where its pods run; its own where none is known."""
        return frozenset(each.namespace for each in self.workloads) or frozenset({self.resource.namespace})

    @cached_property
    def _exact(self) -> dict[str, list[tuple[str, Server]]]:
        out: dict[str, list[tuple[str, Server]]] = {}
        for server in self.servers:
            for namespace, host in server.hosts:
                if not host.startswith("*"):
                    out.setdefault(host, []).append((namespace, server))
        return out

    @cached_property
    def _wide(self) -> list[tuple[str, str, Server]]:
        return [(*pair, server) for server in self.servers for pair in server.hosts if pair[1].startswith("*")]

    def serving(self, host: str, namespace: str | None) -> list[Server]:
        """The servers that share a name with `host`, for VirtualServices of `namespace` (None: of any)."""
        found = [(space, server) for space, wide, server in self._wide if matches(host, wide)]
        if host.startswith("*"):
            found += [pair for exact, pairs in self._exact.items() if matches(exact, host) for pair in pairs]
        else:
            found += self._exact.get(host, [])
        serving = [server for space, server in found if namespace is None or space in ("", namespace)]
        return list(dict.fromkeys(serving))


def _server(resource: Resource, spec: Mapping[str, Any], index: int) -> Server:
    pairs = [host.rpartition("/") for host in spec["hosts"]]
    if any(space == host == "*" for space, _, host in pairs):
        pairs = [("", "", "*")]
    hosts = tuple(({".": resource.namespace, "*": ""}.get(space, space), host) for space, _, host in pairs)
    return Server(resource, spec, ("spec", "servers", index), hosts)


def gateways(world: World) -> dict[str, Gateway]:
    """All Gateways by `namespace/name`."""
    return world.once("gateways", lambda: _gateways(world))


def _gateways(world: World) -> dict[str, Gateway]:
    out = {}
    for resource in world.networking("Gateway"):
        selector = resource.spec.get("selector") or {}
        pods = [each for each in world.workloads.select(selector) if each.known]
        out[f"{resource.namespace}/{resource.name}"] = Gateway(resource, pods)
    return out
