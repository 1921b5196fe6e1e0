"""Injected faults (`HTTPFaultInjection`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.status import STATUS
from meshtest.resources.schema import DURATION, INT32, Enum, Message, Number, Report, Text, Within


def _percent(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if 0 < spec.get("value", 0) < 0.0001:
        report((*path, "value"), f"must be 0 or from 0.0001 to 100; this is {spec['value']:g}")


PERCENT = Message({"value": Number(0, 100)}, rules=(_percent,), form="{value: 50}")


def _fault(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "abort" not in spec and "delay" not in spec:
        report(path, "must have an abort or a delay")


# In the order of their numbers: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
GRPC_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)

FAULT = Message(
    {
        "delay": Message(
            {
                "fixedDelay": DURATION,
                "percentage": PERCENT,
                "percent": Within(INT32, 0, 100),
                "exponentialDelay": Text(lambda text: "Istio does not implement it: use fixedDelay"),
            },
            one_of=(("fixedDelay", "exponentialDelay"),),
        ),
        "abort": Message(
            {
                "httpStatus": STATUS,
                "grpcStatus": Enum(GRPC_STATUSES),
                "percentage": PERCENT,
                "http2Error": Text(lambda text: "Istio does not implement it: use httpStatus or grpcStatus"),
            },
            one_of=(("httpStatus", "grpcStatus", "http2Error"),),
        ),
    },
    rules=(_fault,),
)
