"""Listeners on loopback: without interception a connection brings neither its destination nor its port along.

So what Envoy would tell by them has a listener each: the ports of a workload, ranges of destinations, pods that are called at their
own addresses, Services that a sidecar lets calls to through. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.meshes.local import grounded_inbound
from meshtest.meshes.local.destination_range import in_range, prefixes, ranges
from meshtest.meshes.local.grounded_inbound import of_port, placed
from meshtest.meshes.local.grounded_tls import secured
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.passthrough import taken_by
from meshtest.meshes.local.policy import Policies
from meshtest.meshes.local.site import Address
from meshtest.translate.cluster_name import PASSTHROUGH
from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]


def listeners(grounds: Grounds, pods: Mapping[str, PodCluster]) -> dict[str, Json]:
    """All of them, by name; `pods` are the clusters that lead to one pod."""
    out: dict[str, Json] = {}
    for given in grounds.config.listeners.values():
        if given["name"] == "virtualInbound":
            found = grounded_inbound.listeners(given, grounds)
        else:
            found = _outbound(_to_its_pod(given, grounds.config, pods), grounds)
        out |= {each["name"]: each for each in found}
    for each in grounds.unknown:
        if (name := taken_by(grounds.config, each)) is not None:
            made = _through(out[name], each.cluster)
            out[each.listener(name)] = _moved(made, each.listener(name), grounds)
    return out


@dataclass(frozen=True)
class PodCluster:
    """What leads to one pod of a Service without an address, and the cluster of the Service that it is like."""

    service: Json
    address: Address


def pod_clusters(grounds: Grounds) -> dict[str, PodCluster]:
    """Those for listeners that take connections to a pod's own address, by name."""
    out = {}
    for listener in grounds.config.listeners.values():
        pod, _, port = listener["name"].rpartition("_")
        for name in cluster_names(_within(listener, grounds.config.routes)) if pod in grounds.sites.by_address else ():
            cluster = grounds.config.clusters.get(name, {})
            if cluster.get("type") == "ORIGINAL_DST":
                out[_at_pod(name, pod)] = PodCluster(cluster, grounds.sites.endpoint(pod, int(port)))
    return out


def _at_pod(cluster: str, address: str) -> str:
    return f"{cluster} {address}"


def _to_its_pod(listener: Json, config: ProxyConfig, pods: Mapping[str, PodCluster]) -> Json:
    """A listener for a pod's own address leads to this pod, not to any of its Service."""
    pod = listener["name"].rpartition("_")[0]
    if not any(name.endswith(_at_pod("", pod)) for name in pods):
        return listener
    out: Json = _renamed(
        _within(listener, config.routes), lambda name: _at_pod(name, pod) if _at_pod(name, pod) in pods else name
    )
    return out


def _outbound(given: Json, grounds: Grounds) -> list[Json]:
    """The listener, without what only interception leads to; and a part of it for each range of destinations."""
    chains = [chain for chain in given.get("filter_chains", []) if not of_port(chain, 15001)]
    if grounds.site.instance.gateway:
        called = (grounds.site.instance.address, given["address"]["socket_address"]["port_value"])
        chains = [Policies(called, grounds.sites).grounded(chain) for chain in chains]
    bare = {**_without(given, "bind_to_port", "use_original_dst"), "filter_chains": chains}
    if "default_filter_chain" in given:
        bare["default_filter_chain"] = _without(given["default_filter_chain"], "filter_chain_match")
    parts = [_part(bare, each) for each in (None, *ranges(bare))]
    return [_moved(_with_certificates(each, grounds), each["name"], grounds) for each in parts]


def _part(listener: Json, prefix: str | None) -> Json:
    """The filter chains for one range of destinations, or for those in none."""
    chains = [
        {**chain, "filter_chain_match": _without(chain["filter_chain_match"], "prefix_ranges")} if prefix else chain
        for chain in listener["filter_chains"]
        if (prefix in prefixes(chain) if prefix else not prefixes(chain))
    ]
    return {
        **listener,
        "name": in_range(listener["name"], prefix) if prefix else listener["name"],
        "filter_chains": chains,
    }


def _moved(listener: Json, name: str, grounds: Grounds) -> Json:
    return placed({**listener, "name": name}, grounds.site.listener(name))


def _with_certificates(listener: Json, grounds: Grounds) -> Json:
    if not any("transport_socket" in chain for chain in listener["filter_chains"]):
        return listener
    chains = [
        {**chain, "transport_socket": secured(chain["transport_socket"], _hosts(chain, grounds.config), grounds)}
        if "transport_socket" in chain
        else chain
        for chain in listener["filter_chains"]
    ]
    return {**listener, "filter_chains": chains}


def _hosts(chain: Json, config: ProxyConfig) -> list[str]:
    """The hosts that a server stands for: those that it is told by, else those of its routes, as far as they are known."""
    if names := chain.get("filter_chain_match", {}).get("server_names"):
        return [*names]
    names = [
        domain for routes in _routes_of(chain, config) for host in routes["virtual_hosts"] for domain in host["domains"]
    ]
    return [*sorted({each for each in names if each != "*"}), "localhost"]


def _routes_of(chain: Json, config: ProxyConfig) -> list[Json]:
    asked = [
        each["typed_config"]["rds"]["route_config_name"] for each in chain["filters"] if "rds" in each["typed_config"]
    ]
    return [config.routes[name] for name in asked if name in config.routes]


def routed(listener: Json, inline: Mapping[str, Json], watched: Callable[[str], str | None]) -> Json:
    """The listener with its routes: within, or in a file that it watches."""

    def source(name: str) -> Json:
        return {"path_config_source": {"path": watched(name)}, "resource_api_version": "V3"}

    def made(filter_: Json) -> Json:
        config = filter_["typed_config"]
        if "rds" not in config:
            return filter_
        name = config["rds"]["route_config_name"]
        if name in inline:
            return _with_routes(filter_, inline[name])
        rds = {"route_config_name": name, "config_source": source(name)}
        return {**filter_, "typed_config": {**config, "rds": rds}}

    return _mapped(listener, made)


def _within(listener: Json, routes: Mapping[str, Json]) -> Json:
    """The listener with all of its routes within."""

    def made(filter_: Json) -> Json:
        name = filter_["typed_config"].get("rds", {}).get("route_config_name")
        return _with_routes(filter_, routes[name]) if name in routes else filter_

    return _mapped(listener, made)


def _with_routes(filter_: Json, routes: Json) -> Json:
    config = {**_without(filter_["typed_config"], "rds"), "route_config": _without(routes, "@type")}
    return {**filter_, "typed_config": config}


def _mapped(listener: Json, made: Callable[[Json], Json]) -> Json:
    def chain(given: Json) -> Json:
        return {**given, "filters": [made(each) for each in given["filters"]]}

    out = {**listener, "filter_chains": [chain(each) for each in listener["filter_chains"]]}
    if "default_filter_chain" in listener:
        out["default_filter_chain"] = chain(listener["default_filter_chain"])
    return out


def _through(listener: Json, cluster: str) -> Json:
    """The listener with connections that it lets through, and does not read as HTTP, sent to this cluster."""

    def made(filter_: Json) -> Json:
        passed = filter_["typed_config"].get("cluster") == PASSTHROUGH
        return {**filter_, "typed_config": {**filter_["typed_config"], "cluster": cluster}} if passed else filter_

    return _mapped(listener, made)


def cluster_names(value: Any) -> set[str]:
    """All clusters that a part of a configuration sends to."""
    found: set[str] = set()

    def noted(name: str) -> str:
        found.add(name)
        return name

    _renamed(value, noted)
    return found


def _renamed(value: Any, renamed: Callable[[str], str]) -> Any:
    """A part of a configuration that sends to other clusters: `cluster` of a route or proxy, `clusters[].name` where it splits."""
    if isinstance(value, list):
        return [_renamed(each, renamed) for each in value]
    if not isinstance(value, dict):
        return value
    out = {key: _renamed(each, renamed) for key, each in value.items()}
    if isinstance(out.get("cluster"), str):
        out["cluster"] = renamed(out["cluster"])
    if isinstance(out.get("clusters"), list):
        out["clusters"] = [{**each, "name": renamed(each["name"])} for each in out["clusters"]]
    return out


def _without(value: Mapping[str, Any], *keys: str) -> Json:
    return {key: item for key, item in value.items() if key not in keys}
