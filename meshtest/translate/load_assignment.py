"""The endpoints of a cluster as Envoy wants them (`pilot/pkg/xds/endpoints/endpoint_builder.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtest.topology.endpoint import Endpoint, Locality
from meshtest.translate.locality import Group

Json = dict[str, Any]


def load_assignment(name: str, groups: Sequence[Group]) -> Json:
    """A ClusterLoadAssignment, without groups that are empty."""
    out: Json = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "policy": {"overprovisioning_factor": 140},
    }
    if found := [_group(each) for each in groups if each.endpoints]:
        out["endpoints"] = found
    return out


def _group(group: Group) -> Json:
    out: Json = {
        "locality": _locality(group.locality),
        "load_balancing_weight": group.weight,
        # An entry with several addresses names its endpoints as often; Envoy takes each once, and the weight as it is.
        "lb_endpoints": [
            _endpoint(each) for each in {(each.address, each.port): each for each in group.endpoints}.values()
        ],
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
