"""Clusters whose endpoints are on loopback: none is asked for by discovery, or looked up, or found where a connection was going. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.meshes.local.cluster_dns import service_named
from meshtest.meshes.local.grounded_tls import secured
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.outside import original_destination
from meshtest.meshes.local.site import Address
from meshtest.topology.service import Service
from meshtest.translate.cluster_name import INBOUND_PASSTHROUGH, PASSTHROUGH
from meshtest.translate.connection_pool import HTTP_OPTIONS

Json = dict[str, Any]

_DISCOVERED = ("EDS", "STRICT_DNS", "LOGICAL_DNS")
_DISCOVERY = (
    *("eds_cluster_config", "dns_lookup_family", "dns_jitter", "dns_refresh_rate", "respect_dns_ttl"),
    *("typed_dns_resolver_config", "original_dst_lb_config", "cleanup_interval", "upstream_bind_config"),
)


def cluster(given: Json, grounds: Grounds) -> Json:
    """The cluster, with endpoints that are here."""
    key = (id(given), grounds.site.instance.namespace)
    if given["type"] in _DISCOVERED:
        if key not in grounds.shared:
            grounds.shared[key] = _found(given, grounds)
        out = grounds.shared[key]
    elif given["type"] == "ORIGINAL_DST":
        out = _passed_on(given, grounds)
    elif given["name"].startswith("inbound|"):
        out = _to_stand_in(_at(given, grounds.site.workload(_only_port(given))))
    else:
        return given
    if "transport_socket" not in out:
        return out
    return {**out, "transport_socket": secured(out["transport_socket"], (), grounds)}


def at(given: Json, name: str, addresses: Sequence[Address]) -> Json:
    """A cluster like this of another name, with these endpoints, of which each connection goes to any."""
    assignment: Json = {"cluster_name": name}
    if members := [_member(each) for each in addresses]:
        assignment["endpoints"] = [{"lb_endpoints": members}]
    out = {**_without(given, "alt_stat_name", *_DISCOVERY), "name": name, "alt_stat_name": f"{name};"}
    return {**out, "type": "STATIC", "lb_policy": "RANDOM", "load_assignment": assignment}


def discovered(grounded: Json, file: str) -> tuple[Json, Json]:
    """The same cluster, whose endpoints stand in a file; and they."""
    kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    source = {"path_config_source": {"path": file}, "resource_api_version": "V3"}
    out = {**_without(grounded, "load_assignment"), "type": "EDS", "eds_cluster_config": {"eds_config": source}}
    return out, {"@type": kind, **grounded["load_assignment"]}


def _only_port(given: Json) -> int:
    (member,) = given["load_assignment"]["endpoints"][0]["lb_endpoints"]
    return int(member["endpoint"]["address"]["socket_address"]["port_value"])


def _found(given: Json, grounds: Grounds) -> Json:
    groups = [_Group(each, grounds) for each in grounds.config.endpoints[given["name"]].get("endpoints", [])]
    assignment = {
        **_without(grounds.config.endpoints[given["name"]], "@type"),
        "endpoints": [each.as_json() for each in groups],
    }
    out = {**_without(given, *_DISCOVERY), **_prompt(given), "type": "STATIC", "load_assignment": assignment}
    return _to_stand_in(out) if any(each.outside for each in groups) else out


def _prompt(given: Json) -> Json:
    """Workers learn at once who has been ejected: Envoy would collect such changes for a second (`update_merge_window`)."""
    return {"common_lb_config": {**given.get("common_lb_config", {}), "update_merge_window": "0s"}}


def _passed_on(given: Json, grounds: Grounds) -> Json:
    """Where connections go that a cluster lets through to where they were going: nothing here has intercepted them."""
    name = given["name"]
    if name == PASSTHROUGH:
        return _to_stand_in(_at(given, grounds.sites.outside))
    if name == INBOUND_PASSTHROUGH:
        return _at(given, grounds.site.nowhere)
    if name.startswith("inbound|"):
        return _to_stand_in(_at(given, grounds.site.workload(int(name.split("|")[1]))))
    service, number = grounds.snapshot.scope(grounds.proxy).by_hostname[name.split("|")[3]], int(name.split("|")[1])
    if service.entry:
        port = service.port(number)
        assert port is not None
        return _to_stand_in(_at(given, grounds.sites.host(*original_destination(service, port))))
    # loadBalancer PASSTHROUGH: the call goes to the Service's own address, and kube-proxy picks any pod, of whatever subset or place.
    return at(given, name, behind(service, number, grounds))


def _at(given: Json, address: Address) -> Json:
    kept = _without(given, "lb_policy", *_DISCOVERY)
    endpoints = [{"lb_endpoints": [_member(address)]}]
    return {**kept, "type": "STATIC", "load_assignment": {"cluster_name": given["name"], "endpoints": endpoints}}


def _to_stand_in(given: Json) -> Json:
    """Stand-ins speak HTTP/1.1 alone, so that the last hop to them does too."""
    options = given.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS)
    if options is None:
        return given
    spoken = options.get("explicit_http_config") or options.get("use_downstream_protocol_config") or {}
    first = {"http_protocol_options": spoken.get("http_protocol_options", {})}
    made = {**_without(options, "use_downstream_protocol_config"), "explicit_http_config": first}
    return {**given, "typed_extension_protocol_options": {HTTP_OPTIONS: made}}


def _member(address: Address) -> Json:
    return {"endpoint": {"address": _socket(address)}}


def _socket(address: Address) -> Json:
    return {"socket_address": {"address": address[0], "port_value": address[1]}}


def _without(value: Mapping[str, Any], *keys: str) -> Json:
    return {key: item for key, item in value.items() if key not in keys}


class _Group:
    """The endpoints of a locality. A name of a Service within the mesh stands for its instances, which share its weight."""

    def __init__(self, given: Json, grounds: Grounds) -> None:
        self._given = given
        self._places = [_places(each, grounds) for each in given["lb_endpoints"]]

    @property
    def outside(self) -> bool:
        """Whether a stand-in of a host outside is among them."""
        return any(each.outside for each in self._places)

    def as_json(self) -> Json:
        scale = math.lcm(*(len(each.addresses) or 1 for each in self._places))
        members = [
            {**given, "endpoint": {**given["endpoint"], "address": _socket(address)}}
            | _weight(given, scale, len(place))
            for given, place in zip(self._given["lb_endpoints"], self._places, strict=True)
            for address in place.addresses
        ]
        return {**self._given, "lb_endpoints": members}


def _weight(given: Json, scale: int, parts: int) -> Json:
    return {"load_balancing_weight": given.get("load_balancing_weight", 1) * scale // parts} if scale > 1 else {}


@dataclass(frozen=True)
class _Places:
    """Where an endpoint is."""

    addresses: Sequence[Address]
    outside: bool = False

    def __len__(self) -> int:
        return len(self.addresses)


def _places(member: Json, grounds: Grounds) -> _Places:
    given = member["endpoint"]["address"]["socket_address"]
    host, port = given["address"], given["port_value"]
    sites, topology = grounds.sites, grounds.snapshot.topology
    if host not in sites.by_address:
        service = service_named(topology, host, grounds.site.instance.namespace)
        if service is None:
            return _Places([sites.endpoint(host, port)], outside=True)
        return _Places(behind(service, port, grounds) or [grounds.site.nowhere])
    return _Places([sites.endpoint(host, port)])


def behind(service: Service, number: int, grounds: Grounds) -> list[Address]:
    """Where a connection to a Service's name and port ends up: kube-proxy, or DNS where it has no address, picks one of them."""
    topology = grounds.snapshot.topology
    if port := service.port(number):
        found = topology.endpoints(service, port)
        return [grounds.sites.endpoint(each.address, each.port if service.address else number) for each in found]
    return []
