"""Grounding: what istiod would send becomes what runs on loopback. Pure, given where everything stands.

An Envoy takes an inotify instance for each file that it watches, and Linux allows a user 128 of them. So endpoints and
certificates stand in their clusters and listeners, and routes in their listeners where they need not change under open connections.

Addresses of listeners and endpoints, what policies ask of addresses, secrets, access logs, and what only interception makes possible
are rewritten.
All else stays as it is.
"""

from __future__ import annotations

from typing import Any

from meshtest.meshes.local.grounded_access_log import logged
from meshtest.meshes.local.grounded_cluster import at, cluster, discovered
from meshtest.meshes.local.grounded_inbound import passed_on
from meshtest.meshes.local.grounded_listener import listeners, pod_clusters, routed
from meshtest.meshes.local.grounded_routes import routes
from meshtest.meshes.local.grounds import Grounds
from meshtest.translate.cluster_name import INBOUND_PASSTHROUGH, PASSTHROUGH
from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]


def ground(grounds: Grounds) -> ProxyConfig:
    """The same configuration, on loopback: routes and endpoints that are watched, the others in the listeners and clusters."""
    clusters = {name: cluster(each, grounds) for name, each in grounds.config.clusters.items()}
    for name, address in passed_on(grounds).items():
        clusters[name] = at(grounds.config.clusters[INBOUND_PASSTHROUGH], name, [address])
    pods = pod_clusters(grounds)
    for name, pod in pods.items():
        clusters[name] = at(pod.service, name, [pod.address])
    for called in grounds.unknown:
        behind = [grounds.sites.endpoint(*each) for each in called.endpoints]
        clusters[called.cluster] = at(grounds.config.clusters[PASSTHROUGH], called.cluster, behind)
    found = routes(grounds)
    inline = {name: each for name, each in found.items() if grounds.watched(name) is None}
    gateway = grounds.site.instance.gateway
    made = {
        name: logged(routed(each, inline, grounds.watched), gateway) for name, each in listeners(grounds, pods).items()
    }
    asked = _asked(made)
    endpoints: dict[str, Json] = {}
    for name in grounds.config.endpoints:
        if file := grounds.discovered(name):
            clusters[name], endpoints[name] = discovered(clusters[name], file)
    return ProxyConfig(made, {name: each for name, each in found.items() if name in asked}, clusters, endpoints)


def _asked(listeners: dict[str, Json]) -> set[str]:
    """The route configurations that listeners watch."""
    chains = [
        chain
        for each in listeners.values()
        for chain in (*each["filter_chains"], *filter(None, [each.get("default_filter_chain")]))
    ]
    configs = [each["typed_config"] for chain in chains for each in chain["filters"]]
    return {config["rds"]["route_config_name"] for config in configs if "rds" in config}
