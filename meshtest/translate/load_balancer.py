"""Load balancing (`cluster_traffic_policy.go`, `ApplyRingHashLoadBalancer` in `cluster_builder.go`, hash policies in `route.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def load_balancer(given: Mapping[str, Any]) -> Json:
    """The cluster's fields for a `loadBalancer` block; Istio's default is LEAST_REQUEST."""
    if "consistentHash" in given:
        return _consistent_hash(given["consistentHash"])
    simple = given.get("simple", "UNSPECIFIED")
    if simple == "RANDOM":
        return {"lb_policy": "RANDOM"}
    if simple == "PASSTHROUGH":
        return {"lb_policy": "CLUSTER_PROVIDED", "type": "ORIGINAL_DST"}
    slow_start = _slow_start(given)
    if simple == "ROUND_ROBIN":  # Envoy's default, which its JSON leaves out
        return {"round_robin_lb_config": slow_start} if slow_start else {}
    return {"lb_policy": "LEAST_REQUEST", **({"least_request_lb_config": slow_start} if slow_start else {})}


def _slow_start(given: Mapping[str, Any]) -> Json:
    if "warmupDurationSecs" in given:
        return {"slow_start_config": {"slow_start_window": given["warmupDurationSecs"]}}
    if "warmup" not in given:
        return {}
    warmup = given["warmup"]
    return {
        "slow_start_config": {
            "slow_start_window": warmup["duration"],
            # The key is an accident of istiod's, without effect; kept so that the two can be compared.
            "aggression": {"default_value": warmup.get("aggression", 1), "runtime_key": "("},
            "min_weight_percent": {"value": warmup.get("minimumPercent", 10)},
        }
    }


def _consistent_hash(given: Mapping[str, Any]) -> Json:
    if "maglev" in given:
        size = given["maglev"].get("tableSize")
        return {"lb_policy": "MAGLEV", **({"maglev_lb_config": {"table_size": str(size)}} if size else {})}
    # Where `ringHash` names no size Envoy's default counts, which is istiod's too.
    size = given["ringHash"].get("minimumRingSize") if "ringHash" in given else given.get("minimumRingSize") or 1024
    return {"lb_policy": "RING_HASH", **({"ring_hash_lb_config": {"minimum_ring_size": str(size)}} if size else {})}


def hash_policy(given: Mapping[str, Any] | None) -> list[Json]:
    """The route's `hash_policy` for a `consistentHash` block."""
    if not given:
        return []
    if "httpHeaderName" in given:
        return [{"header": {"header_name": given["httpHeaderName"]}}]
    if "httpCookie" in given:
        return [{"cookie": _cookie(given["httpCookie"])}]
    if "useSourceIp" in given:
        return [{"connection_properties": {"source_ip": given["useSourceIp"]}}]
    if "httpQueryParameterName" in given:
        return [{"query_parameter": {"name": given["httpQueryParameterName"]}}]
    return []


def _cookie(given: Mapping[str, Any]) -> Json:
    out = {key: given[key] for key in ("name", "ttl", "path") if key in given}
    if attributes := given.get("attributes"):
        out["attributes"] = [{"name": each["name"], "value": each.get("value", "")} for each in attributes]
    return out
