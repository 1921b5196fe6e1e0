"""What a sidecar does with calls to its workload, on loopback. Pure.

There is a listener for each port, since no connection brings its port along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.policy import Policies
from meshtest.meshes.local.site import Address
from meshtest.translate.cluster_name import INBOUND_PASSTHROUGH, inbound_name

Json = dict[str, Any]


def listeners(given: Json, grounds: Grounds) -> list[Json]:
    """One for each port of the workload. Chains that need a certificate are left out: sidecars speak plain text to each other."""
    chains = [chain for chain in given["filter_chains"] if "transport_socket" not in chain]
    named = {chain["filter_chain_match"].get("destination_port") for chain in chains} - {None, 15006}
    out = []
    for port in sorted(named | {*grounds.site.inbound_ports}):
        own = [_without_port(chain) for chain in chains if of_port(chain, port)] or _of_any(chains, port)
        own = [Policies((grounds.site.instance.address, port), grounds.sites).grounded(chain) for chain in own]
        looked_at = port if port in named else 0
        filters = [_without(each, "filter_disabled") for each in given["listener_filters"] if _enabled(each, looked_at)]
        kept = {**given, "filter_chains": own, "listener_filters": filters}
        out.append(placed({**kept, "name": f"virtualInbound_{port}"}, grounds.site.inbound(port)))
    return out


def passed_on(grounds: Grounds) -> dict[str, Address]:
    """Clusters for ports of the workload that no Service and no Sidecar names: a call goes on to the port that it asked for."""
    numbers = [each for each in grounds.site.inbound_ports if inbound_name(each) not in grounds.config.clusters]
    return {_passing(number): grounds.site.workload(number) for number in numbers}


def placed(listener: Json, address: Address) -> Json:
    """The listener at another address."""
    return {**listener, "address": {"socket_address": {"address": address[0], "port_value": address[1]}}}


def of_port(chain: Json, port: int) -> bool:
    """Whether a filter chain is for connections to a port."""
    return bool(chain.get("filter_chain_match", {}).get("destination_port") == port)


def _passing(port: int) -> str:
    return f"{INBOUND_PASSTHROUGH}_{port}"


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
    return "filter_disabled" not in listener_filter or not _matches(listener_filter["filter_disabled"], port)


def _matches(predicate: Json, port: int) -> bool:
    """Envoy's ListenerFilterChainMatchPredicate, for a destination port."""
    if "not_match" in predicate:
        return not _matches(predicate["not_match"], port)
    if "or_match" in predicate:
        return any(_matches(each, port) for each in predicate["or_match"]["rules"])
    ports = predicate["destination_port_range"]
    return bool(ports["start"] <= port < ports["end"])


def _without(value: Mapping[str, Any], *keys: str) -> Json:
    return {key: item for key, item in value.items() if key not in keys}
