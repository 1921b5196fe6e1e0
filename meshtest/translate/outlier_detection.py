"""Outlier detection (`applyOutlierDetection` in `cluster_traffic_policy.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_CONSECUTIVE = {
    "consecutive5xxErrors": ("consecutive_5xx", "enforcing_consecutive_5xx"),
    "consecutiveGatewayErrors": ("consecutive_gateway_failure", "enforcing_consecutive_gateway_failure"),
}


def outlier_detection(given: Mapping[str, Any]) -> Json:
    """Envoy's `outlier_detection`; what is unset stays Envoy's default, but success rates never eject."""
    out: Json = {"enforcing_success_rate": 0}
    for field, (threshold, enforcing) in _CONSECUTIVE.items():
        if field in given:
            out |= {threshold: given[field], enforcing: 100 if given[field] else 0}
    out |= {
        envoy: given[field]
        for field, envoy in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time"))
        if field in given
    }
    if given.get("maxEjectionPercent"):
        out["max_ejection_percent"] = given["maxEjectionPercent"]
    if given.get("splitExternalLocalOriginErrors"):
        out |= {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0}
        if failures := given.get("consecutiveLocalOriginFailures"):
            out |= {"consecutive_local_origin_failure": failures, "enforcing_consecutive_local_origin_failure": 100}
    return out


def panic_threshold(given: Mapping[str, Any] | None) -> Json:
    """Envoy's panic mode is off unless `minHealthPercent` turns it on."""
    share = (given or {}).get("minHealthPercent")
    return {"value": share} if share else {}
