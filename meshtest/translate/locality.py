"""Locality load balancing: which endpoints a proxy prefers (`pilot/pkg/networking/core/loadbalancer/loadbalancer.go`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshtest.topology.endpoint import Endpoint, Locality

_NETWORK = "topology.istio.io/network"

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """The endpoints of one locality with one priority; 0 is tried first. `weight` is among the localities of a priority."""

    locality: Locality
    endpoints: Sequence[Endpoint]
    weight: int
    priority: int = 0


def grouped(endpoints: Sequence[Endpoint]) -> list[Group]:
    """Endpoints by the label of their locality, each group weighing as much as its endpoints together (`generate`)."""
    found: dict[str, list[Endpoint]] = {}
    for each in endpoints:
        found.setdefault(each.locality.label, []).append(each)
    return [Group(alike[0].locality, alike, _weight(alike)) for _, alike in sorted(found.items())]


def _weight(endpoints: Sequence[Endpoint]) -> int:
    return min(sum(each.weight for each in endpoints), 2**32 - 1)


def effective(load_balancer: Mapping[str, Any]) -> Setting | None:
    """The setting that counts: the rule's own, else the mesh's, which is on and empty; None where it is switched off."""
    setting: Setting = load_balancer.get("localityLbSetting", {})
    return setting if setting.get("enabled", True) else None


def weighted(setting: Setting | None, fails_over: bool) -> bool:
    """Whether the cluster weighs localities (`LocalityLBSettings.ApplyToCluster`)."""
    given = setting or {}
    return bool(given.get("distribute") or (fails_over and (given.get("failover") or given.get("failoverPriority"))))


def preferred(
    groups: Sequence[Group], setting: Setting | None, here: Locality, labels: Mapping[str, str], fails_over: bool
) -> list[Group]:
    """The groups with the weights or priorities that they have for a proxy that runs `here` and has these labels.

    Without outlier detection (`fails_over`) Envoy would never try the next priority, so that istiod makes none.
    """
    if setting is None:
        return [*groups]
    if setting.get("distribute"):
        return _distributed(groups, setting["distribute"], here)
    if not fails_over:
        return [*groups]
    failover = setting.get("failover", [])
    if by_label := setting.get("failoverPriority"):
        groups = [each for group in groups for each in _by_labels(group, by_label, labels)]
        groups = _compact(groups)
        return _by_distance(groups, failover, here) if failover else groups
    return _by_distance(groups, failover, here)


def _distributed(groups: Sequence[Group], distribute: Sequence[Mapping[str, Any]], here: Locality) -> list[Group]:
    """The shares of the first entry that is for `here`; localities that it does not name get nothing."""
    entry = next((each for each in distribute if _matches(here, each.get("from", ""))), None)
    if entry is None:
        return [*groups]
    out: dict[int, Group] = {}
    for name, share in entry.get("to", {}).items():
        found = [index for index, each in enumerate(groups) if index not in out and _matches(each.locality, name)]
        total = sum(groups[index].weight for index in found)
        for index in found:
            weight = math.ceil(groups[index].weight * share / total)
            out[index] = replace(groups[index], weight=weight or groups[index].weight)
    return [out[index] for index in sorted(out)]


def _matches(where: Locality, pattern: str) -> bool:
    region, zone, sub_zone, *_ = (*pattern.split("/"), "", "")
    return region in ("*", where.region) and zone in ("*", "", where.zone) and sub_zone in ("*", "", where.sub_zone)


def _by_distance(groups: Sequence[Group], failover: Sequence[Mapping[str, str]], here: Locality) -> list[Group]:
    """Priorities 0 to 3 by how much of the locality is the same; other regions than that to fail over to come last."""
    target = next((each.get("to", "") for each in failover if each.get("from", "") == here.region), None)

    def priority(group: Group) -> int:
        distance = _distance(here, group.locality)
        far = distance == 3 and target is not None and group.locality.region != target
        return group.priority * 5 + (4 if far else distance)

    return _compact([replace(each, priority=priority(each)) for each in groups])


def _distance(here: Locality, there: Locality) -> int:
    if here.region != there.region:
        return 3
    if here.zone != there.zone:
        return 2
    return 0 if here.sub_zone == there.sub_zone else 1


def _by_labels(group: Group, wanted: Sequence[str], labels: Mapping[str, str]) -> list[Group]:
    """The group in parts, by how many of the labels each endpoint has in common with the proxy, from the first on."""
    parts: dict[int, list[Endpoint]] = {}
    for endpoint in group.endpoints:
        parts.setdefault(_label_priority(endpoint, wanted, labels), []).append(endpoint)
    return [Group(group.locality, parts[priority], _weight(parts[priority]), priority) for priority in sorted(parts)]


def _label_priority(endpoint: Endpoint, wanted: Sequence[str], labels: Mapping[str, str]) -> int:
    other_network = 0
    for index, entry in enumerate(wanted):
        key, given, value = entry.partition("=")
        if (value if given else labels.get(key, "")) == endpoint.labels.get(key, ""):
            continue
        if index == 0 and key == _NETWORK:
            other_network = len(wanted)
            continue
        return len(wanted) - index + other_network
    return other_network


def _compact(groups: Sequence[Group]) -> list[Group]:
    """Priorities without gaps, as Envoy wants them."""
    ranks = {priority: rank for rank, priority in enumerate(sorted({each.priority for each in groups}))}
    return [replace(each, priority=ranks[each.priority]) for each in groups]
