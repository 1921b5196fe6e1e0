"""All that one proxy is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meshtest.resources.name import address
from meshtest.translate import (
    gateway_listener,
    gateway_route,
    inbound_cluster,
    outbound_cluster,
    outbound_listener,
    outbound_route,
    sidecar_inbound,
)
from meshtest.translate.gateway_server import merged
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.special_cluster import special


@dataclass(frozen=True)
class ProxyConfig:
    """Envoy resources by name (endpoints by their cluster's), in Envoy's JSON with snake_case keys."""

    listeners: dict[str, Json]
    routes: dict[str, Json]
    clusters: dict[str, Json]
    endpoints: dict[str, Json]

    def as_json(self, before: ProxyConfig) -> Json:
        """The form that `meshtest proxy-config -o json` prints, which is what Envoy's /config_dump lists, in the order of names.

        A cluster that waits for a certificate shows no endpoints, but its predecessor does, of `before` the Istio resources came. By EDS
        both are told of the same ones.
        """
        endpoints = {}
        for name, assignment in self.endpoints.items():
            if not _waits_for_secret(self.clusters[name]):
                endpoints[name] = _listed(self.clusters[name], assignment)
            elif name in before.endpoints:
                told = all(each.clusters[name]["type"] == "EDS" for each in (self, before))
                endpoints[name] = _listed(before.clusters[name], assignment if told else before.endpoints[name])
        found = {
            "listeners": self.listeners,
            "routes": self.routes,
            "clusters": self.clusters,
            "endpoints": endpoints,
        }
        return {kind: dict(sorted(each.items())) for kind, each in found.items()}


def _waits_for_secret(cluster: Json) -> bool:
    common = cluster.get("transport_socket", {}).get("typed_config", {}).get("common_tls_context", {})
    return "combined_validation_context" in common or "tls_certificate_sds_secret_configs" in common


def _listed(cluster: Json, assignment: Json) -> Json:
    """What Envoy knows of the endpoints: none where it goes on to the original destination; no host names before they are resolved."""
    if cluster["type"] == "EDS":
        return assignment
    groups = [] if cluster["type"] == "ORIGINAL_DST" else assignment.get("endpoints", [])
    found = [
        {**group, "lb_endpoints": [each for each in group["lb_endpoints"] if _by_address(each)]} for group in groups
    ]
    kept = {key: value for key, value in assignment.items() if key != "endpoints"}
    return {**kept, "endpoints": [group for group in found if group["lb_endpoints"]]}


def _by_address(endpoint: Json) -> bool:
    return address(endpoint["endpoint"]["address"]["socket_address"]["address"])


def translate(snapshot: Snapshot, proxy: Proxy) -> ProxyConfig:
    """The configuration that istiod would send to `proxy`. What several proxies have in common is the same object."""
    view = snapshot.view(proxy)
    clusters, endpoints = snapshot.clusters(proxy, lambda: outbound_cluster.clusters(snapshot, proxy))
    clusters = clusters | snapshot.once(("special", proxy.gateway), lambda: special(snapshot, proxy))
    if proxy.gateway:
        return _gateway(snapshot, proxy, clusters, endpoints)
    own = proxy.instance.address if snapshot.scope(proxy).headless else ""
    listeners = snapshot.once(("listeners", view, own), lambda: outbound_listener.listeners(snapshot, proxy))
    names = _route_names(listeners)
    routes = snapshot.once(("routes", view), lambda: outbound_route.route_configurations(snapshot, proxy, names))
    clusters = clusters | inbound_cluster.clusters(snapshot, proxy)
    return ProxyConfig(listeners | sidecar_inbound.listeners(snapshot, proxy), routes, clusters, endpoints)


def _gateway(snapshot: Snapshot, proxy: Proxy, clusters: dict[str, Json], endpoints: dict[str, Json]) -> ProxyConfig:
    if any(server.mode == "AUTO_PASSTHROUGH" for server in merged(snapshot, proxy).servers):
        more, behind = outbound_cluster.sni_clusters(snapshot, proxy)
        clusters, endpoints = clusters | more, endpoints | behind
    listeners = gateway_listener.listeners(snapshot, proxy)
    return ProxyConfig(listeners, gateway_route.route_configurations(snapshot, proxy), clusters, endpoints)


def _route_names(listeners: dict[str, Json]) -> list[str]:
    """The route configurations that listeners ask for, sorted."""
    chains: list[Json] = [
        chain
        for each in listeners.values()
        for chain in (
            *each["filter_chains"],
            *([each["default_filter_chain"]] if "default_filter_chain" in each else []),
        )
    ]
    asked: list[Any] = [item["typed_config"].get("rds") for chain in chains for item in chain["filters"]]
    return sorted({str(each["route_config_name"]) for each in asked if each})
