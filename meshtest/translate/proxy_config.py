"""All that one proxy is sent."""

from __future__ import annotations

from dataclasses import dataclass

from meshtest.translate import cluster, gateway, sidecar_inbound, sidecar_outbound
from meshtest.translate.snapshot import Json, Proxy, Snapshot


@dataclass(frozen=True)
class ProxyConfig:
    """Envoy resources by name (endpoints by their cluster's), in Envoy's JSON with snake_case keys."""

    listeners: dict[str, Json]
    routes: dict[str, Json]
    clusters: dict[str, Json]
    endpoints: dict[str, Json]

    def as_json(self) -> Json:
        """The form that `meshtest proxy-config -o json` prints."""
        return {
            "listeners": self.listeners,
            "routes": self.routes,
            "clusters": self.clusters,
            "endpoints": self.endpoints,
        }


def translate(snapshot: Snapshot, proxy: Proxy) -> ProxyConfig:
    """The configuration that istiod would send to `proxy`."""
    clusters, endpoints = cluster.outbound(snapshot, proxy)
    clusters |= cluster.special(snapshot, proxy)
    if proxy.gateway:
        return ProxyConfig(
            gateway.listeners(snapshot, proxy), gateway.route_configurations(snapshot, proxy), clusters, endpoints
        )
    listeners = {**sidecar_outbound.listeners(snapshot), "virtualInbound": sidecar_inbound.listener(snapshot, proxy)}
    clusters |= sidecar_inbound.clusters(snapshot, proxy)
    return ProxyConfig(listeners, sidecar_outbound.route_configurations(snapshot, proxy), clusters, endpoints)
