"""Services of the topology that a sidecar does not know, and lets calls to through. Pure.

In a cluster such a call goes on to the Service's own address, where kube-proxy picks an instance: no rule counts, but it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Service
from meshtest.translate.cluster_name import PASSTHROUGH
from meshtest.translate.outbound_listener import egress_cluster
from meshtest.translate.outbound_route import service_domains
from meshtest.translate.snapshot import Proxy, Snapshot


@dataclass(frozen=True)
class Unknown:
    """A port of a Service that a proxy does not know; `domains` are the names by which it is called, `endpoints` what is behind it."""

    service: Service
    port: Port
    domains: tuple[str, ...]
    endpoints: tuple[tuple[str, int], ...]

    @property
    def cluster(self) -> str:
        """The name of what stands for PassthroughCluster where this is called."""
        return f"{PASSTHROUGH} {self.service.hostname}:{self.port.number}"

    def listener(self, taken_by: str) -> str:
        """The name of the listener for calls to it, which one of this name takes in a cluster."""
        return f"{taken_by} {self.service.address}_{self.port.number}"


def unknown(snapshot: Snapshot, proxy: Proxy) -> tuple[Unknown, ...]:
    """Those that a sidecar does not know; none where what is not known is blocked. Headless Services are called at their pods."""
    scope = snapshot.scope(proxy)
    if proxy.gateway or egress_cluster(snapshot, scope) != PASSTHROUGH:
        return ()
    out = []
    for service in snapshot.topology.services if not _knows_all(snapshot, proxy) else ():
        known = scope.by_hostname.get(service.hostname)
        for port in service.ports:
            if service.address and port.protocol is not Protocol.UDP and not (known and known.port(port.number)):
                endpoints = tuple((each.address, each.port) for each in snapshot.topology.endpoints(service, port))
                domains = tuple(service_domains(service, proxy.namespace)[0])
                out.append(Unknown(service, port, domains, endpoints))
    return tuple(out)


def _knows_all(snapshot: Snapshot, proxy: Proxy) -> bool:
    """Whether nothing hides Services from it: no Sidecar counts, and all are exported to it."""
    key = ("all known", proxy.namespace)
    exported = snapshot.once(key, lambda: all(each.visible_in(proxy.namespace) for each in snapshot.topology.services))
    return exported and not snapshot.scope(proxy).sidecar
