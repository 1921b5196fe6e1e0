"""Services of the topology that a sidecar does not know, and lets calls to through. Pure.

In a cluster such a call goes on to the Service's own address, where kube-proxy picks an instance: no rule counts, but it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meshtest.meshes.local.destination_range import range_of
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Service
from meshtest.translate.cluster_name import PASSTHROUGH
from meshtest.translate.filter_chain import ANY_ADDRESS
from meshtest.translate.outbound_route import service_domains
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

CATCH_ALL = "virtualOutbound"


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


def unknown(snapshot: Snapshot, proxy: Proxy, config: ProxyConfig) -> tuple[Unknown, ...]:
    """Those that a sidecar does not know; none where what is not known is blocked. Headless Services are called at their pods."""
    if proxy.gateway or _knows_all(snapshot, proxy) or not lets_through(config):
        return ()
    out = []
    for service in snapshot.topology.services:
        for port in service.ports:
            if (
                service.address
                and port.protocol is not Protocol.UDP
                and not _takes(snapshot, config, service, port.number)
            ):
                endpoints = tuple((each.address, each.port) for each in snapshot.topology.endpoints(service, port))
                domains = tuple(service_domains(service, proxy.namespace)[0])
                out.append(Unknown(service, port, domains, endpoints))
    return tuple(out)


def taken_by(config: ProxyConfig, called: Unknown) -> str | None:
    """The listener that takes connections to it in a cluster; None where routes tell its requests apart."""
    shared = f"{ANY_ADDRESS}_{called.port.number}"
    if shared not in config.listeners:
        return CATCH_ALL
    return None if str(called.port.number) in config.routes and called.port.protocol.http else shared


def lets_through(config: ProxyConfig) -> bool:
    """Whether connections that no listener takes go on to where they were going."""
    chains = config.listeners[CATCH_ALL]["filter_chains"]
    (rest,) = [each for each in chains if "filter_chain_match" not in each]
    return bool(rest["filters"][0]["typed_config"]["cluster"] == PASSTHROUGH)


def _takes(snapshot: Snapshot, config: ProxyConfig, service: Service, port: int) -> bool:
    """Whether a listener, or a route, is for the Service."""
    if f"{service.address}_{port}" in config.listeners:
        return True
    shared = config.listeners.get(f"{ANY_ADDRESS}_{port}")
    if shared is None:
        return False
    routes = config.routes.get(str(port))
    named = routes is not None and service.hostname in snapshot.once(("domains", id(routes)), lambda: _domains(routes))
    return named or range_of(shared, service.address) is not None


def _domains(routes: Json) -> frozenset[str]:
    return frozenset(domain for host in routes["virtual_hosts"] for domain in host["domains"])


def _knows_all(snapshot: Snapshot, proxy: Proxy) -> bool:
    """Whether nothing hides Services from it: no Sidecar counts, and all are exported to it."""
    key = ("all known", proxy.namespace)
    exported = snapshot.once(key, lambda: all(each.visible_in(proxy.namespace) for each in snapshot.topology.services))
    return exported and not snapshot.scope(proxy).sidecar
