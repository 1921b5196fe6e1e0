"""Grounding: what istiod would send becomes what runs on loopback. Pure, given where everything stands.

An Envoy takes an inotify instance for each file that it watches, and Linux allows a user 128 of them. So endpoints stand
in their clusters, and routes in their listeners where they need not change under open connections.

Addresses of listeners and endpoints, the original-destination clusters (nothing is intercepted here) and what policies ask of addresses
are rewritten; filter chains that need a certificate are left out, because mutual TLS is not implemented by the local mesh yet. All else
stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtest.meshes.local.policy import Policies
from meshtest.meshes.local.site import Address, Site, Sites
from meshtest.translate.cluster_name import INBOUND_PASSTHROUGH, PASSTHROUGH, inbound_name
from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]


@dataclass(frozen=True)
class Grounds:
    """The place of one proxy among all of them; `watched` gives the file for a route configuration, None to have it inline."""

    site: Site
    sites: Sites
    watched: Callable[[str], str | None]
    shared: dict[int, Json] = field(
        default_factory=dict
    )  # grounded clusters that look the same everywhere, by their id


def ground(config: ProxyConfig, grounds: Grounds) -> ProxyConfig:
    """The same configuration, on loopback: routes that are watched, the others in the listeners, endpoints in the clusters."""
    inline = {name: routes for name, routes in config.routes.items() if grounds.watched(name) is None}
    clusters = {name: _cluster(cluster, config, grounds) for name, cluster in config.clusters.items()}
    clusters |= _passed_on(config, grounds)
    listeners = {
        name: _routed(each, inline, grounds)
        for listener in config.listeners.values()
        for name, each in _listeners(listener, grounds)
    }
    routes = {name: each for name, each in config.routes.items() if name not in inline}
    return ProxyConfig(listeners, routes, clusters, {})


def _cluster(cluster: Json, config: ProxyConfig, grounds: Grounds) -> Json:
    name = cluster["name"]
    if cluster["type"] == "EDS":
        return _with_endpoints(cluster, config, grounds)
    if cluster["type"] == "STATIC" and name.startswith("inbound|"):
        return _static(cluster, grounds.site.workload(_only_port(cluster)))
    if cluster["type"] != "ORIGINAL_DST":
        return cluster
    if name == PASSTHROUGH:
        return _static(cluster, grounds.sites.outside)
    if name == INBOUND_PASSTHROUGH:
        return _static(cluster, grounds.site.nowhere)
    if name.startswith("inbound|"):
        return _static(cluster, grounds.site.workload(int(name.split("|")[1])))
    # loadBalancer PASSTHROUGH: the call goes to the Service's own address, behind which kube-proxy picks one at random.
    return _grounded({**cluster, "lb_policy": "RANDOM"}, config, grounds)


def _only_port(cluster: Json) -> int:
    (member,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    return int(member["endpoint"]["address"]["socket_address"]["port_value"])


def _passed_on(config: ProxyConfig, grounds: Grounds) -> dict[str, Json]:
    """Clusters for ports of the workload that no Service and no Sidecar names: a call goes on to the port that it asked for."""
    numbers = [each for each in grounds.site.inbound_ports if inbound_name(each) not in config.clusters]
    return {
        _passing(number): _static(
            {**config.clusters[INBOUND_PASSTHROUGH], "name": _passing(number)}, grounds.site.workload(number)
        )
        for number in numbers
    }


def _passing(port: int) -> str:
    return f"{INBOUND_PASSTHROUGH}_{port}"


def _with_endpoints(cluster: Json, config: ProxyConfig, grounds: Grounds) -> Json:
    if id(cluster) not in grounds.shared:
        grounds.shared[id(cluster)] = _grounded(cluster, config, grounds)
    return grounds.shared[id(cluster)]


def _grounded(cluster: Json, config: ProxyConfig, grounds: Grounds) -> Json:
    assignment = _endpoints(config.endpoints[cluster["name"]], grounds)
    return {**_without(cluster, "eds_cluster_config"), "type": "STATIC", "load_assignment": assignment}


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
    return {**_without(assignment, "@type"), "endpoints": groups}


def _listeners(listener: Json, grounds: Grounds) -> list[tuple[str, Json]]:
    if listener["name"] == "virtualInbound":
        return _inbound(listener, grounds)
    kept = _without(listener, "bind_to_port", "use_original_dst")
    chains = [chain for chain in listener.get("filter_chains", []) if not _of_port(chain, 15001)]
    if grounds.site.instance.gateway:
        called = (grounds.site.instance.address, listener["address"]["socket_address"]["port_value"])
        chains = [Policies(called, grounds.sites).grounded(chain) for chain in chains]
    moved: Json = {**kept, "address": _socket(grounds.site.listener(listener["name"])), "filter_chains": chains}
    if "default_filter_chain" in listener:
        moved["default_filter_chain"] = _without(listener["default_filter_chain"], "filter_chain_match")
    return [(listener["name"], moved)]


def _of_port(chain: Json, port: int) -> bool:
    return bool(chain.get("filter_chain_match", {}).get("destination_port") == port)


def _routed(listener: Json, inline: Mapping[str, Json], grounds: Grounds) -> Json:
    """The listener with its routes: watched, or within."""

    def routed(filter_: Json) -> Json:
        config = filter_["typed_config"]
        if "rds" not in config:
            return filter_
        name = config["rds"]["route_config_name"]
        if name in inline:
            return {
                **filter_,
                "typed_config": {**_without(config, "rds"), "route_config": _without(inline[name], "@type")},
            }
        source: Json = {"path_config_source": {"path": grounds.watched(name)}, "resource_api_version": "V3"}
        return {**filter_, "typed_config": {**config, "rds": {"route_config_name": name, "config_source": source}}}

    chains = [{**chain, "filters": [routed(each) for each in chain["filters"]]} for chain in listener["filter_chains"]]
    return {**listener, "filter_chains": chains}


def _inbound(listener: Json, grounds: Grounds) -> list[tuple[str, Json]]:
    """One listener for each port of the workload: without interception there is no port to tell the filter chains apart."""
    chains = [chain for chain in listener["filter_chains"] if "transport_socket" not in chain]
    named = {chain["filter_chain_match"].get("destination_port") for chain in chains} - {None, 15006}
    out = []
    for port in sorted(named | {*grounds.site.inbound_ports}):
        name = f"virtualInbound_{port}"
        own = [_without_port(chain) for chain in chains if _of_port(chain, port)] or _of_any(chains, port)
        own = [Policies((grounds.site.instance.address, port), grounds.sites).grounded(chain) for chain in own]
        looked_at = port if port in named else 0
        filters = [
            _without(each, "filter_disabled") for each in listener["listener_filters"] if _enabled(each, looked_at)
        ]
        kept = {**listener, "name": name, "address": _socket(grounds.site.inbound(port))}
        out.append((name, {**kept, "filter_chains": own, "listener_filters": filters}))
    return out


def _of_any(chains: list[Json], port: int) -> list[Json]:
    """The chains for ports that have none of their own, leading to this one."""
    found = [chain for chain in chains if "destination_port" not in chain["filter_chain_match"]]
    return [{**chain, "filters": [_leading(each, port) for each in chain["filters"]]} for chain in found]


def _leading(filter_: Json, port: int) -> Json:
    config = filter_["typed_config"]
    if "route_config" in config:
        (host,) = config["route_config"]["virtual_hosts"]
        (route,) = host["routes"]
        host = {**host, "routes": [{**route, "route": {**route["route"], "cluster": _passing(port)}}]}
        routes = {**config["route_config"], "virtual_hosts": [host]}
        return {**filter_, "typed_config": {**config, "route_config": routes}}
    return {**filter_, "typed_config": {**config, "cluster": _passing(port)}} if "cluster" in config else filter_


def _without_port(chain: Json) -> Json:
    return {**chain, "filter_chain_match": _without(chain["filter_chain_match"], "destination_port")}


def _enabled(listener_filter: Json, port: int) -> bool:
    if listener_filter["name"] == "envoy.filters.listener.original_dst":
        return False
    disabled = listener_filter.get("filter_disabled", {})
    inverted = "not_match" in disabled
    disabled = disabled.get("not_match", disabled)
    ranges = [
        each["destination_port_range"]
        for each in disabled.get("or_match", {}).get("rules", [disabled] if disabled else [])
    ]
    return any(each["start"] <= port < each["end"] for each in ranges) == inverted
