"""Fault injection and shares of traffic (`TranslateFault` in `route/route.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.kinds.fault import GRPC_STATUSES

Json = dict[str, Any]

_GRPC_CODES = {name: number for number, name in enumerate(GRPC_STATUSES)}


def fraction(percentage: Mapping[str, Any]) -> Json:
    """A `percentage` in millionths, cut off as istiod does: 0.57 becomes 5699."""
    return {"numerator": int(float(percentage.get("value", 0)) * 10000), "denominator": "MILLION"}


def whole_fraction(percent: int) -> Json:
    """A whole number of hundredths (Envoy's default denominator, which its JSON leaves out)."""
    return {"numerator": percent}


def fault(given: Mapping[str, Any]) -> Json:
    """Envoy's HTTPFault. An abort without a percentage never happens; a delay without one takes the deprecated `percent`, else 0.

    A delay that says no time, and an abort that says no status, are none.
    """
    out: Json = {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}
    if "fixedDelay" in (delay := given.get("delay", {})):
        share = fraction(delay["percentage"]) if "percentage" in delay else whole_fraction(delay.get("percent", 0))
        out["delay"] = {"fixed_delay": delay["fixedDelay"], "percentage": share}
    if (abort := given.get("abort", {})).keys() & {"httpStatus", "grpcStatus"}:
        out["abort"] = {"percentage": fraction(abort["percentage"])} if "percentage" in abort else {}
        status = (
            {"http_status": abort["httpStatus"]}
            if "httpStatus" in abort
            else {"grpc_status": _GRPC_CODES[abort["grpcStatus"]]}
        )
        out["abort"] |= status
    return out
