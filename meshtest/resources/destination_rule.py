"""What a DestinationRule may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import (
    COUNT,
    DURATION,
    DURATION_OR_ZERO,
    FLAG,
    PORT,
    TEXT,
    UINT32,
    Enum,
    ListOf,
    MapOf,
    Message,
    Number,
    Report,
    Type,
    Unsupported,
    Whole,
)


def _not_empty(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec:
        report(path, f"{path[-1]} must have at least one field; take it away if nothing is meant")


CONNECTION_POOL = Message(
    {
        "tcp": Message(
            {
                "maxConnections": COUNT,
                "connectTimeout": DURATION,
                "tcpKeepalive": Message({"probes": UINT32, "time": DURATION, "interval": DURATION}),
                "maxConnectionDuration": DURATION,
                "idleTimeout": DURATION_OR_ZERO,
            }
        ),
        "http": Message(
            {
                "http1MaxPendingRequests": COUNT,
                "http2MaxRequests": COUNT,
                "maxRequestsPerConnection": Whole(0, 2**29),
                "maxRetries": COUNT,
                "idleTimeout": DURATION,
                "h2UpgradePolicy": Enum(("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE")),
                "useClientProtocol": FLAG,
                "maxConcurrentStreams": COUNT,
                "http2KeepAlive": Message({"interval": DURATION, "timeout": DURATION}),
            }
        ),
    },
    rules=(_not_empty,),
)

OUTLIER_DETECTION = Message(
    {
        "consecutiveErrors": COUNT,
        "consecutive5xxErrors": UINT32,
        "consecutiveGatewayErrors": UINT32,
        "splitExternalLocalOriginErrors": FLAG,
        "consecutiveLocalOriginFailures": UINT32,
        "interval": DURATION,
        "baseEjectionTime": DURATION,
        "maxEjectionPercent": Whole(0, 100),
        "minHealthPercent": Whole(0, 100),
        "outlierDetectionHttpErrorCodes": ListOf(Whole(100, 599)),
    }
)

_HASH_KEYS = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")

CONSISTENT_HASH = Message(
    {
        "httpHeaderName": TEXT,
        "httpCookie": Message(
            {
                "name": TEXT,
                "path": TEXT,
                "ttl": DURATION_OR_ZERO,
                "attributes": ListOf(Message({"name": TEXT, "value": TEXT}, required=("name",))),
            },
            required=("name",),
        ),
        "useSourceIp": FLAG,
        "httpQueryParameterName": TEXT,
        "ringHash": Message({"minimumRingSize": COUNT}),
        "maglev": Message({"tableSize": COUNT}),
        "minimumRingSize": COUNT,
    },
    one_of=(_HASH_KEYS, ("ringHash", "maglev")),
)

WARMUP = Message(
    {"duration": DURATION, "minimumPercent": Number(0, 100), "aggression": Number(1)},
    required=("duration",),
)

LOAD_BALANCER = Message(
    {
        "simple": Enum(("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST")),
        "consistentHash": CONSISTENT_HASH,
        "localityLbSetting": Unsupported(),
        "warmupDurationSecs": DURATION,
        "warmup": WARMUP,
    },
    one_of=(("simple", "consistentHash"), ("warmup", "warmupDurationSecs")),
)

_POLICY: dict[str, Type] = {
    "loadBalancer": LOAD_BALANCER,
    "connectionPool": CONNECTION_POOL,
    "outlierDetection": OUTLIER_DETECTION,
    "tls": Unsupported(),
    "retryBudget": Message({"percent": Number(0, 100), "minRetryConcurrency": UINT32}),
}
PORT_POLICY = Message({**_POLICY, "port": Message({"number": PORT}, required=("number",))}, required=("port",))
TRAFFIC_POLICY = Message(
    {**_POLICY, "portLevelSettings": ListOf(PORT_POLICY), "tunnel": Unsupported(), "proxyProtocol": Unsupported()},
    rules=(_not_empty,),
)
SUBSET = Message({"name": TEXT, "labels": MapOf(TEXT), "trafficPolicy": TRAFFIC_POLICY}, required=("name",))


def _subset_names(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    seen: set[str] = set()
    for index, subset in enumerate(spec.get("subsets", [])):
        if (name := subset.get("name")) in seen:
            report(
                (*path, "subsets", index, "name"),
                f"the subset {name!r} is defined twice; only one definition can count",
            )
        seen.add(str(name))


DESTINATION_RULE: Type = Message(
    {
        "host": TEXT,
        "trafficPolicy": TRAFFIC_POLICY,
        "subsets": ListOf(SUBSET),
        "exportTo": ListOf(TEXT),
        "workloadSelector": Message({"matchLabels": MapOf(TEXT)}),
    },
    required=("host",),
    rules=(_subset_names,),
)
