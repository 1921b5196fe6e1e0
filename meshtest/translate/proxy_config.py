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
        """The form that `meshtest proxy-config -o json` prints: a proxy asks for the endpoints of clusters of type EDS only."""
        asked = {name: each for name, each in self.endpoints.items() if self.clusters[name]["type"] == "EDS"}
        return {
            "listeners": self.listeners,
            "routes": self.routes,
            "clusters": self.clusters,
            "endpoints": asked,
        }


def translate(snapshot: Snapshot, proxy: Proxy) -> ProxyConfig:
    """The configuration that istiod would send to `proxy`. What several proxies have in common is the same object."""
    view = snapshot.view(proxy)
    clusters, endpoints = snapshot.once(("outbound", view), lambda: cluster.outbound(snapshot, proxy))
    clusters = clusters | snapshot.once(("special", proxy.gateway), lambda: cluster.special(snapshot, proxy))
    if proxy.gateway:
        routes = gateway.route_configurations(snapshot, proxy)
        return ProxyConfig(gateway.listeners(snapshot, proxy), routes, clusters, endpoints)
    routes = snapshot.once(("routes", view), lambda: sidecar_outbound.route_configurations(snapshot, proxy))
    listeners = snapshot.once("listeners", lambda: sidecar_outbound.listeners(snapshot))
    inbound = sidecar_inbound.listener(snapshot, proxy)
    clusters = clusters | sidecar_inbound.clusters(snapshot, proxy)
    return ProxyConfig({**listeners, "virtualInbound": inbound}, routes, clusters, endpoints)
