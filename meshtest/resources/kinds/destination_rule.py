"""What a DestinationRule may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.connection_pool import CONNECTION_POOL, not_empty
from meshtest.resources.kinds.destination import PORT_SELECTOR
from meshtest.resources.kinds.export_to import EXPORT_TO, exported_once
from meshtest.resources.kinds.labels import LABELS
from meshtest.resources.schema import (
    COUNT,
    DURATION,
    DURATION_OR_ZERO,
    FLAG,
    TEXT,
    UINT32,
    Enum,
    ListOf,
    Message,
    Number,
    Report,
    Text,
    Type,
    Unsupported,
    Whole,
)

UINT64 = Whole(0, 2**64 - 1)


def _split(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("consecutiveLocalOriginFailures") and not spec.get("splitExternalLocalOriginErrors"):
        report(
            (*path, "consecutiveLocalOriginFailures"),
            "counts only with splitExternalLocalOriginErrors: true; set that too, or take it away",
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
        "outlierDetectionHttpErrorCodes": ListOf(Whole(100, 599)),  # istiod 1.32 takes it and does nothing with it
    },
    rules=(_split,),
    nullable=("consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveLocalOriginFailures"),
)

_HASH_KEYS = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
_MOST_TABLE = 5_000_011  # Envoy's limit of a Maglev table


def _prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def _table_size(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    size = spec.get("tableSize", 0)
    if not 0 < size < _MOST_TABLE or not _prime(size):
        report((*path, "tableSize"), f"must be a prime number below {_MOST_TABLE}; this is {size}")


def _one_ring_size(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for key in ("ringHash", "maglev"):
        if spec.get("minimumRingSize") and key in spec:
            report((*path, "minimumRingSize"), f"'minimumRingSize' and {key!r} exclude each other: keep {key!r}")


CONSISTENT_HASH = Message(
    {
        "httpHeaderName": TEXT,
        "httpCookie": Message(
            {
                "name": Text(lambda text: None if text else "must not be empty"),
                "path": TEXT,
                "ttl": DURATION_OR_ZERO,
                "attributes": ListOf(Message({"name": TEXT, "value": TEXT}, required=("name",))),
            },
            required=("name",),
        ),
        "useSourceIp": FLAG,
        "httpQueryParameterName": TEXT,
        "ringHash": Message({"minimumRingSize": UINT64}),
        "maglev": Message({"tableSize": UINT64}, rules=(_table_size,)),
        "minimumRingSize": UINT64,
    },
    one_of=(_HASH_KEYS, ("ringHash", "maglev")),
    rules=(_one_ring_size,),
)

WARMUP = Message(
    {"duration": DURATION, "minimumPercent": Number(0, 100), "aggression": Number(1)},
    required=("duration",),
    nullable=("minimumPercent", "aggression"),
)

LOAD_BALANCER = Message(
    {
        "simple": Enum(("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST")),
        "consistentHash": CONSISTENT_HASH,
        "localityLbSetting": Unsupported(),
        "zoneAwareLbSetting": Unsupported(),
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
}


def _some_block(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.keys() - {"port"}:
        report(path, "must say something about the port beside its number")


PORT_POLICY = Message({**_POLICY, "port": PORT_SELECTOR}, required=("port",), rules=(_some_block,))
TRAFFIC_POLICY = Message(
    {
        **_POLICY,
        "retryBudget": Message(
            {"percent": Number(0, 100), "minRetryConcurrency": UINT32, "budgetInterval": Unsupported()},
            nullable=("percent", "minRetryConcurrency"),
        ),
        "portLevelSettings": ListOf(PORT_POLICY),
        "tunnel": Unsupported(),
        "proxyProtocol": Unsupported(),
    },
    rules=(not_empty,),
)
SUBSET = Message({"name": Text(name.label), "labels": LABELS, "trafficPolicy": TRAFFIC_POLICY}, required=("name",))


def _subset_names(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    seen: set[str] = set()
    for index, subset in enumerate(spec.get("subsets", [])):
        if (given := subset["name"]) in seen:
            report(
                (*path, "subsets", index, "name"),
                f"the subset {given!r} is defined twice; only one definition can count",
            )
        seen.add(given)


def _private(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "workloadSelector" in spec and (len(names := spec.get("exportTo", [])) > 1 or "*" in names):
        report(
            (*path, "exportTo"), "a rule with a workloadSelector counts in its own namespace only: write . or nothing"
        )


DESTINATION_RULE: Type = Message(
    {
        "host": Text(name.host),
        "trafficPolicy": TRAFFIC_POLICY,
        "subsets": ListOf(SUBSET),
        "exportTo": EXPORT_TO,
        "workloadSelector": Message({"matchLabels": LABELS}),
    },
    required=("host",),
    rules=(_subset_names, exported_once, _private),
)
