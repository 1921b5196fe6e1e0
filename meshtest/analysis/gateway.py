"""Gateways as VirtualServices meet them: servers by the hosts that they serve, and the pods that run them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate import gateway_server
from meshtest.translate.host import matches


class Server(gateway_server.Server):
    """One server of a Gateway, with words for it."""

    @property
    def path(self) -> Path:
        """Where it stands in the Gateway."""
        return ("spec", "servers", self.index)

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Its hosts, each with the namespace that it is for (empty for all)."""
        return [(space, host) for space, _, host in (each.rpartition("/") for each in self.hosts)]

    @property
    def names(self) -> list[str]:
        """Its hosts without namespaces."""
        return [host for _, host in self.pairs]

    @property
    def rules(self) -> str:
        """The section of a VirtualService that counts here: http, tls or tcp (`pilot/pkg/networking/core/gateway.go`)."""
        if self.routes_http:
            return "http"
        return "tls" if self.encrypted and self.passes_through else "tcp"

    @property
    def speaks(self) -> str:
        """What it does with connections, for a sentence."""
        return {"http": "reads HTTP", "tls": "passes TLS through unread", "tcp": "forwards TCP"}[self.rules]

    @property
    def word(self) -> str:
        """Its protocol and TLS mode, for a sentence."""
        return f"{self.protocol.value}, {self.mode}" if self.encrypted else self.protocol.value


class Gateway:
    """A Gateway, its servers and its pods."""

    def __init__(self, resource: Resource, workloads: Iterable[Workload]) -> None:
        self.resource = resource
        self.name = f"{resource.namespace}/{resource.name}"
        self.workloads = list(workloads)
        self.servers = [
            Server(self.name, resource, index, spec, int(spec["port"]["number"]))
            for index, spec in enumerate(resource.spec.get("servers", []))
        ]

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Where its pods run; its own where none is known."""
        return frozenset(each.namespace for each in self.workloads) or frozenset({self.resource.namespace})

    @cached_property
    def _exact(self) -> dict[str, list[tuple[str, Server]]]:
        out: dict[str, list[tuple[str, Server]]] = {}
        for server in self.servers:
            for namespace, host in server.pairs:
                if not host.startswith("*"):
                    out.setdefault(host, []).append((namespace, server))
        return out

    @cached_property
    def _wide(self) -> list[tuple[str, str, Server]]:
        return [(*pair, server) for server in self.servers for pair in server.pairs if pair[1].startswith("*")]

    def serving(self, host: str, namespace: str | None) -> list[Server]:
        """The servers that share a name with `host`, for VirtualServices of `namespace` (None: of any)."""
        found = [(space, server) for space, wide, server in self._wide if matches(host, wide)]
        if host.startswith("*"):
            found += [pair for exact, pairs in self._exact.items() if matches(exact, host) for pair in pairs]
        else:
            found += self._exact.get(host, [])
        serving = [server for space, server in found if namespace is None or space in ("", namespace)]
        return list(dict.fromkeys(serving))


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
