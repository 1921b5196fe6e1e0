"""The endpoints of a cluster as Envoy wants them (`pilot/pkg/xds/endpoints/endpoint_builder.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from meshtest.topology.endpoint import Endpoint, Locality
from meshtest.translate.locality import Group

Json = dict[str, Any]


def load_assignment(name: str, groups: Sequence[Group], *, distinct: bool) -> Json:
    """A ClusterLoadAssignment as Envoy takes it, without groups that are empty.

    Of groups with the same locality and priority it makes one that weighs as much as the last. Where addresses are `distinct`, one that
    comes again is passed over, and the weight of its group stays: by EDS (`BatchUpdateHelper` in `eds.cc`), but not by DNS.
    """
    out: Json = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "policy": {"overprovisioning_factor": 140},
    }
    found: dict[tuple[Locality, int], Group] = {}
    taken: set[tuple[str, int]] = set()
    for each in groups:
        new = _new(each.endpoints, taken) if distinct else each.endpoints
        before = found.get((each.locality, each.priority))
        if new or before:
            found[each.locality, each.priority] = replace(each, endpoints=[*(before.endpoints if before else ()), *new])
    if found:
        out["endpoints"] = [_group(each) for each in found.values()]
    return out


def _new(endpoints: Sequence[Endpoint], taken: set[tuple[str, int]]) -> list[Endpoint]:
    """Those with an address that was not `taken`; they are, after this."""
    found = []
    for each in endpoints:
        if (each.address, each.port) not in taken:
            taken.add((each.address, each.port))
            found.append(each)
    return found


def _group(group: Group) -> Json:
    out: Json = {
        "locality": _locality(group.locality),
        "load_balancing_weight": group.weight,
        "lb_endpoints": [_endpoint(each) for each in group.endpoints],
    }
    return {**out, "priority": group.priority} if group.priority else out


def _locality(where: Locality) -> Json:
    names = {"region": where.region, "zone": where.zone, "sub_zone": where.sub_zone}
    return {key: value for key, value in names.items() if value}


def _endpoint(each: Endpoint) -> Json:
    address: Json = {"socket_address": {"address": each.address, "port_value": each.port}}
    return {
        "endpoint": {"address": address, "health_check_config": {}},
        "health_status": "HEALTHY",
        "load_balancing_weight": each.weight,
    }
