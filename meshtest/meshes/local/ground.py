"""Grounding: what istiod would send becomes what runs on loopback. Pure, given where everything stands.

Addresses of listeners and endpoints, and the original-destination clusters (nothing is intercepted here), are rewritten; filter chains
that need a certificate are left out, because mutual TLS is not implemented by the local mesh yet. All else stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtest.meshes.local.site import Address, Site, Sites
from meshtest.translate.cluster import INBOUND_PASSTHROUGH, PASSTHROUGH
from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]
FileOf = Callable[[str, str], str]  # kind ("routes", "endpoints") and name to the watched file that holds the resource


@dataclass(frozen=True)
class Grounds:
    """The place of one proxy among all of them."""

    site: Site
    sites: Sites
    file_of: FileOf


def ground(config: ProxyConfig, grounds: Grounds) -> ProxyConfig:
    """The same configuration, on loopback."""
    clusters = {name: _cluster(cluster, grounds) for name, cluster in config.clusters.items()}
    watched = {name for name, cluster in clusters.items() if cluster.get("type") == "EDS"}
    endpoints = {name: _endpoints(each, grounds) for name, each in config.endpoints.items() if name in watched}
    listeners = {name: each for listener in config.listeners.values() for name, each in _listeners(listener, grounds)}
    return replace(config, listeners=listeners, clusters=clusters, endpoints=endpoints)


def _watched(grounds: Grounds, kind: str, name: str) -> Json:
    return {"path_config_source": {"path": grounds.file_of(kind, name)}, "resource_api_version": "V3"}


def _cluster(cluster: Json, grounds: Grounds) -> Json:
    name = cluster["name"]
    if cluster["type"] == "EDS":
        return {
            **cluster,
            "eds_cluster_config": {"service_name": name, "eds_config": _watched(grounds, "endpoints", name)},
        }
    if cluster["type"] != "ORIGINAL_DST":
        return cluster
    if name == PASSTHROUGH:
        return _static(cluster, grounds.sites.outside)
    if name == INBOUND_PASSTHROUGH:
        return _static(cluster, grounds.site.nowhere)
    if name.startswith("inbound|"):
        return _static(cluster, grounds.site.workload(int(name.split("|")[1])))
    # loadBalancer PASSTHROUGH: the call goes to the Service's own address, behind which kube-proxy picks an endpoint at random.
    eds = {"service_name": name, "eds_config": _watched(grounds, "endpoints", name)}
    return {**_without(cluster, "lb_policy"), "type": "EDS", "lb_policy": "RANDOM", "eds_cluster_config": eds}


def _static(cluster: Json, address: Address) -> Json:
    kept = _without(cluster, "lb_policy", "cleanup_interval", "upstream_bind_config")
    endpoint = {"endpoint": {"address": _socket(address)}}
    return {
        **kept,
        "type": "STATIC",
        "load_assignment": {"cluster_name": cluster["name"], "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _without(value: Mapping[str, Any], *keys: str) -> Json:
    return {key: item for key, item in value.items() if key not in keys}


def _socket(address: Address) -> Json:
    return {"socket_address": {"address": address[0], "port_value": address[1]}}


def _endpoints(assignment: Json, grounds: Grounds) -> Json:
    def moved(member: Json) -> Json:
        given = member["endpoint"]["address"]["socket_address"]
        address = _socket(grounds.sites.endpoint(given["address"], given["port_value"]))
        return {**member, "endpoint": {**member["endpoint"], "address": address}}

    groups = [
        {**group, "lb_endpoints": [moved(each) for each in group["lb_endpoints"]]}
        for group in assignment.get("endpoints", [])
    ]
    return {**assignment, "endpoints": groups}


def _listeners(listener: Json, grounds: Grounds) -> list[tuple[str, Json]]:
    if listener["name"] == "virtualInbound":
        return _inbound(listener, grounds)
    kept = _without(listener, "bind_to_port", "use_original_dst")
    chains = [_chain(chain, grounds) for chain in listener.get("filter_chains", []) if not _of_port(chain, 15001)]
    moved: Json = {**kept, "address": _socket(grounds.site.listener(listener["name"])), "filter_chains": chains}
    if "default_filter_chain" in listener:
        moved["default_filter_chain"] = _chain(
            _without(listener["default_filter_chain"], "filter_chain_match"), grounds
        )
    return [(listener["name"], moved)]


def _of_port(chain: Json, port: int) -> bool:
    return bool(chain.get("filter_chain_match", {}).get("destination_port") == port)


def _chain(chain: Json, grounds: Grounds) -> Json:
    return {**chain, "filters": [_filter(each, grounds) for each in chain["filters"]]}


def _filter(given: Json, grounds: Grounds) -> Json:
    config = given["typed_config"]
    if "rds" not in config:
        return given
    name = config["rds"]["route_config_name"]
    rds = {"route_config_name": name, "config_source": _watched(grounds, "routes", name)}
    return {**given, "typed_config": {**config, "rds": rds}}


def _inbound(listener: Json, grounds: Grounds) -> list[tuple[str, Json]]:
    """One listener for each port of the workload: without interception there is no port to tell the filter chains apart."""
    chains = [chain for chain in listener["filter_chains"] if "transport_socket" not in chain]
    ports = sorted(
        {port for chain in chains if (port := chain["filter_chain_match"].get("destination_port")) not in (None, 15006)}
    )
    out = []
    for port in ports:
        name = f"virtualInbound_{port}"
        own = [_without_port(chain) for chain in chains if _of_port(chain, port)]
        filters = [_without(each, "filter_disabled") for each in listener["listener_filters"] if _enabled(each, port)]
        kept = {**listener, "name": name, "address": _socket(grounds.site.inbound(port))}
        out.append((name, {**kept, "filter_chains": own, "listener_filters": filters}))
    return out


def _without_port(chain: Json) -> Json:
    return {**chain, "filter_chain_match": _without(chain["filter_chain_match"], "destination_port")}


def _enabled(listener_filter: Json, port: int) -> bool:
    if listener_filter["name"] == "envoy.filters.listener.original_dst":
        return False
    disabled = listener_filter.get("filter_disabled", {})
    rules = disabled.get("or_match", {}).get("rules", [disabled] if disabled else [])
    return not any(
        rule["destination_port_range"]["start"] <= port < rule["destination_port_range"]["end"] for rule in rules
    )
