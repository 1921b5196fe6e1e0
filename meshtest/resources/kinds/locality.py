"""Traffic by where clients and endpoints are (`LocalityLoadBalancerSetting`; `pkg/config/validation/agent/validation.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import FLAG, TEXT, UINT32, ListOf, MapOf, Message, Report, Whole

TOPOLOGY_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")


def _wrong(locality: str, before: Iterable[str]) -> str | None:
    """What is wrong with `region[/zone[/subzone]]`, the last of which may be `*`, after those before it (`validateLocalities`)."""
    if "*" in locality[:-1]:
        return f"`*` may only stand at the end, as in us-east/*; this is {locality!r}"
    if not all(locality.split("/", 2)):
        return f"must be region/zone/subzone, or the first one or two of them; this is {locality!r}"
    return next(
        (f"{locality!r} overlaps with {each!r} before it" for each in before if _overlaps(locality, each)), None
    )


def _overlaps(locality: str, before: str) -> bool:
    mine, its = locality.split("/", 2), before.split("/", 2)
    if its[0] == "*":
        return True
    if mine[0] != its[0]:
        return False
    if len(mine) == 1 or len(its) == 1 or (its[1] == "*" and len(its) == 2):
        return True
    if mine[1] != its[1]:
        return False
    return len(mine) == 2 or len(its) == 2 or its[2] == "*" or mine[2] == its[2]


def _distribution(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    shares = spec.get("to", {})
    for index, locality in enumerate(shares):
        if wrong := _wrong(locality, list(shares)[:index]):
            report((*path, "to", locality), wrong)
    if (total := sum(shares.values())) != 100:
        report((*path, "to") if "to" in spec else path, f"the shares must add up to 100; these make {total}")


def _one_way(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    failover = spec.get("failover")
    if failover and spec.get("distribute"):
        report((*path, "failover"), "'failover' and 'distribute' exclude each other: keep one")
    for index, label in enumerate(spec.get("failoverPriority", [])):
        if failover and label in TOPOLOGY_LABELS:
            report((*path, "failoverPriority", index), f"{label} and 'failover' exclude each other: keep one")


def _sources(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    sources = [each.get("from", "") for each in spec.get("distribute", [])]
    for index, locality in enumerate(sources):
        if wrong := _wrong(locality, sources[:index]):
            report((*path, "distribute", index), wrong)


def _regions(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for key in ("from", "to"):
        if "/" in spec.get(key, "") or "*" in spec.get(key, ""):
            report((*path, key), f"must be one region, without / or *; this is {spec[key]!r}")
    if spec.get("from", "") == spec.get("to", ""):
        report(path, "must name two different regions")


def _implied(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for index, label in enumerate(spec.get("failoverPriority", [])):
        if label in TOPOLOGY_LABELS:
            report((*path, "failoverPriority", index), f"zone-aware balancing looks at {label} by itself: take it away")


FAILOVER = ListOf(Message({"from": TEXT, "to": TEXT}, rules=(_regions,), form="{from: us-east, to: us-west}"))
LOCALITY_LB = Message(
    {
        "distribute": ListOf(Message({"from": TEXT, "to": MapOf(Whole(1, 100))}, rules=(_distribution,))),
        "failover": FAILOVER,
        "failoverPriority": ListOf(TEXT),
        "enabled": FLAG,
    },
    rules=(_one_way, _sources),
    nullable=("enabled",),
)
ZONE_AWARE_LB = Message(
    {"failover": FAILOVER, "failoverPriority": ListOf(TEXT), "enabled": FLAG, "minClusterSize": Whole(1, UINT32.most)},
    rules=(_implied,),
    nullable=("enabled", "minClusterSize"),
)
