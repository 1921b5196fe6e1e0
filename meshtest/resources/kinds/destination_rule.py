"""What a DestinationRule may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.client_tls import CLIENT_TLS, own_config_map
from meshtest.resources.kinds.connection_pool import CONNECTION_POOL, not_empty
from meshtest.resources.kinds.export_to import EXPORT_TO, exported_once
from meshtest.resources.kinds.labels import LABELS
from meshtest.resources.kinds.locality import LOCALITY_LB, ZONE_AWARE_LB
from meshtest.resources.kinds.policy_target import SELECTOR
from meshtest.resources.resource import Resource
from meshtest.resources.schema import (
    DURATION,
    FINE_DURATION,
    FLAG,
    INT32,
    PORT,
    TEXT,
    UINT32,
    Duration,
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

INT64 = Whole(0, 2**63 - 1)


def _split(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("consecutiveLocalOriginFailures") and not spec.get("splitExternalLocalOriginErrors"):
        report(
            (*path, "consecutiveLocalOriginFailures"),
            "counts only with splitExternalLocalOriginErrors: true; set that too, or take it away",
        )


OUTLIER_DETECTION = Message(
    {
        "consecutiveErrors": INT32,
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


class _TimeToLive:
    """istiod takes any duration, Envoy none below 0."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong goes to `report`."""
        out = Duration(least=-(2**63), step=1).read(value, path, report)
        if isinstance(value, str) and value.startswith("-"):
            report(path, f"Istio takes {value}, but Envoy no time below 0", unsupported=True)
        return out


_TTL = _TimeToLive()
_HASH_KEYS = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
_MOST_TABLE = 5_000_011  # Envoy's limit of a Maglev table


def _prime(number: int) -> bool:
    """As Envoy and istiod have it, to whom 1 is one."""
    return number > 0 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def _table_size(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    size = spec.get("tableSize", 0)
    if not 0 < size < _MOST_TABLE or not _prime(size):
        report((*path, "tableSize"), f"must be a prime number below {_MOST_TABLE}; this is {size}")


def _one_ring_size(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for key in ("ringHash", "maglev"):
        if spec.get("minimumRingSize") and key in spec:
            report((*path, "minimumRingSize"), f"'minimumRingSize' and {key!r} exclude each other: keep {key!r}")


def _attributes(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    seen: set[str] = set()
    for index, each in enumerate(spec.get("attributes", [])):
        if each["name"] in seen:
            report((*path, "attributes", index, "name"), f"the attribute {each['name']!r} stands here twice: keep one")
        seen.add(each["name"])


_NAME = Text(lambda text: None if text else "must not be empty")
CONSISTENT_HASH = Message(
    {
        "httpHeaderName": TEXT,
        "httpCookie": Message(
            {
                "name": _NAME,
                "path": TEXT,
                "ttl": _TTL,
                "attributes": ListOf(Message({"name": _NAME, "value": TEXT}, required=("name",))),
            },
            required=("name",),
            rules=(_attributes,),
        ),
        "useSourceIp": FLAG,
        "httpQueryParameterName": TEXT,
        "ringHash": Message({"minimumRingSize": INT64}),
        "maglev": Message({"tableSize": INT64}, rules=(_table_size,)),
        "minimumRingSize": INT64,
    },
    one_of=(_HASH_KEYS, ("ringHash", "maglev")),
    rules=(_one_ring_size,),
)


def _aggressive(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("aggression", 1) <= 0:
        report((*path, "aggression"), "must be above 0")


WARMUP = Message(
    {"duration": DURATION, "minimumPercent": Number(0, 100), "aggression": Number(0)},
    required=("duration",),
    rules=(_aggressive,),
    nullable=("minimumPercent", "aggression"),
)

LOAD_BALANCER = Message(
    {
        "simple": Enum(("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST")),
        "consistentHash": CONSISTENT_HASH,
        "localityLbSetting": LOCALITY_LB,
        "zoneAwareLbSetting": Unsupported(inner=ZONE_AWARE_LB),
        "warmupDurationSecs": FINE_DURATION,
        "warmup": WARMUP,
    },
    one_of=(("simple", "consistentHash"), ("localityLbSetting", "zoneAwareLbSetting")),
)

_POLICY: dict[str, Type] = {
    "loadBalancer": LOAD_BALANCER,
    "connectionPool": CONNECTION_POOL,
    "outlierDetection": OUTLIER_DETECTION,
    "tls": CLIENT_TLS,
}


def _some_block(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.keys() - {"port"}:
        report(path, "must say something about the port beside its number")


# istiod does not look at the number; a policy for a port that no service can have does nothing.
_PORT = Message({"number": UINT32}, form="{number: 9080}")
PORT_POLICY = Message({**_POLICY, "port": _PORT}, required=("port",), rules=(_some_block,))


def _some_field(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    not_empty({key: value for key, value in spec.items() if value != []}, path, report)


def _target(text: str) -> str | None:
    return None if name.address(text) else name.fqdn(text)


TUNNEL = Message(
    {"protocol": Enum(("CONNECT", "POST", "")), "targetHost": Text(_target), "targetPort": PORT},
    required=("targetHost", "targetPort"),
)
TRAFFIC_POLICY = Message(
    {
        **_POLICY,
        "retryBudget": Message(
            {
                "percent": Number(0, 100),
                "minRetryConcurrency": UINT32,
                "budgetInterval": Duration(least=-(2**63), step=1),
            },
            nullable=("percent",),
        ),
        "portLevelSettings": ListOf(PORT_POLICY, most=4096),
        "tunnel": Unsupported(inner=TUNNEL),
        "proxyProtocol": Unsupported(inner=Message({"version": Enum(("V1", "V2"))}, form="{version: V2}")),
    },
    one_of=(("tunnel", "proxyProtocol"),),
    rules=(_some_field,),
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


def exported_with_selector(resource: Resource, report: Report) -> None:
    """A rule with a workloadSelector counts in its own namespace only (`validateExportTo`)."""
    names = resource.spec.get("exportTo", [])
    if "workloadSelector" in resource.spec and {*names} - {".", resource.namespace}:
        report(
            ("spec", "exportTo"),
            "a rule with a workloadSelector counts in its own namespace only: write `.`, or take exportTo away",
        )


def own_config_maps(resource: Resource, report: Report) -> None:
    """ConfigMaps with certificates are those of the rule's namespace."""
    policies: list[tuple[Path, Mapping[str, Any]]] = [
        (("spec", "trafficPolicy"), resource.spec.get("trafficPolicy", {}))
    ]
    for index, subset in enumerate(resource.spec.get("subsets", [])):
        policies.append((("spec", "subsets", index, "trafficPolicy"), subset.get("trafficPolicy", {})))
    for path, policy in policies:
        ports = [
            ((*path, "portLevelSettings", at), port) for at, port in enumerate(policy.get("portLevelSettings", []))
        ]
        for place, block in [(path, policy), *ports]:
            own_config_map(block.get("tls", {}), resource.namespace, (*place, "tls"), report)


DESTINATION_RULE: Type = Message(
    {
        "host": Text(name.host),
        "trafficPolicy": TRAFFIC_POLICY,
        "subsets": ListOf(SUBSET),
        "exportTo": EXPORT_TO,
        "workloadSelector": SELECTOR,
    },
    required=("host",),
    rules=(_subset_names, exported_once),
)
