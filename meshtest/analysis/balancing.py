"""Load balancers: warm-up, locality and hashing that do nothing (`loadbalancer.go`, `cluster_traffic_policy.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import (
    DEPRECATED_BALANCING,
    FAILOVER_WITHOUT_DETECTION,
    HASH_WITHOUT_EFFECT,
    UNKNOWN_REGION,
    WARMUP_WITHOUT_EFFECT,
)
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import Host, listed
from meshtest.analysis.pools import blocks
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate.host import resolved

Spec = Mapping[str, Any]
_WARMED = ("UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST", "ROUND_ROBIN")


def check(world: World) -> Iterator[Finding]:
    """Each loadBalancer."""
    for rule in world.networking("DestinationRule"):
        hosts = world.hosts.within(resolved(rule.spec["host"], rule.namespace))
        for path, balancer, _ in blocks(rule, "loadBalancer"):
            yield from _warmup(rule, balancer, path)
            yield from _deprecated(rule, balancer, path)
            if "localityLbSetting" in balancer:
                yield from _locality(world, rule, balancer["localityLbSetting"], path)
            if "consistentHash" in balancer:
                yield from _hash(rule, balancer["consistentHash"], path, hosts)


def _warmup(rule: Resource, balancer: Spec, path: Path) -> Iterator[Finding]:
    field = next((key for key in ("warmup", "warmupDurationSecs") if key in balancer), None)
    if field is None:
        return
    kind = "consistentHash" if "consistentHash" in balancer else balancer.get("simple", "LEAST_REQUEST")
    if kind not in _WARMED:
        message = f"new pods are not warmed up with {kind}. Use LEAST_REQUEST or ROUND_ROBIN, or take {field} away"
        yield WARMUP_WITHOUT_EFFECT.at(rule, (*path, field), message)


def _deprecated(rule: Resource, balancer: Spec, path: Path) -> Iterator[Finding]:
    if "warmupDurationSecs" in balancer:
        message = f"warmupDurationSecs is deprecated. Write warmup: {{duration: {balancer['warmupDurationSecs']}}}"
        yield DEPRECATED_BALANCING.at(rule, (*path, "warmupDurationSecs"), message)
    if balancer.get("simple") == "LEAST_CONN":
        yield DEPRECATED_BALANCING.at(
            rule, (*path, "simple"), "LEAST_CONN is deprecated and means LEAST_REQUEST. Write that", INFO
        )
    size = (balancer.get("consistentHash") or {}).get("minimumRingSize")
    if size:
        message = f"minimumRingSize is deprecated here. Write ringHash: {{minimumRingSize: {size}}}"
        yield DEPRECATED_BALANCING.at(rule, (*path, "consistentHash", "minimumRingSize"), message)


def _locality(world: World, rule: Resource, setting: Spec, path: Path) -> Iterator[Finding]:
    at = (*path, "localityLbSetting")
    if setting.get("enabled") is False:
        return
    field = next((key for key in ("failover", "failoverPriority") if setting.get(key)), None)
    if field and not _detected(rule, path):
        message = (
            f"without outlierDetection there is no failover: {field} has no effect, and traffic goes to all localities alike. "
            f"Add an outlierDetection beside this loadBalancer"
        )
        yield FAILOVER_WITHOUT_DETECTION.at(rule, (*at, field), message)
    regions = {each.region for each in world.topology.localities.values() if each.region}
    if regions:
        yield from _regions(rule, setting, at, regions)


def _detected(rule: Resource, path: Path) -> bool:
    """Whether an outlierDetection counts where this load balancer does."""
    own: Any = rule.body
    for key in path[:-1]:
        own = own[key]
    if "outlierDetection" in own:
        return True
    inherits = path[1] == "subsets" and "portLevelSettings" not in path
    return inherits and "outlierDetection" in (rule.spec.get("trafficPolicy") or {})


def _regions(rule: Resource, setting: Spec, at: Path, regions: set[str]) -> Iterator[Finding]:
    named = [
        ((*at, key, index, "from"), str(each.get("from", "")))
        for key in ("failover", "distribute")
        for index, each in enumerate(setting.get(key, []))
    ]
    for path, name in named:
        region = name.partition("/")[0]
        if region not in regions and region != "*":
            message = (
                f"no node is in the region {region}, so that no caller follows this; there are "
                f"{listed(sorted(regions))}. Write a region of the nodes"
            )
            yield UNKNOWN_REGION.at(rule, path, message)


_OF_HTTP = ("httpHeaderName", "httpCookie", "httpQueryParameterName")


def _hash(rule: Resource, given: Spec, path: Path, hosts: list[Host]) -> Iterator[Finding]:
    ports = [(host, port) for host in hosts for port in host.ports]
    field = next((key for key in _OF_HTTP if key in given), None)
    if field and ports and not any(port.http for _, port in ports):
        host, port = ports[0]
        message = (
            f"{field} is not there to be hashed: port {port.number} of {host.short} carries {port.speaks}, not HTTP, "
            "so that connections are "
            f"spread at random. Write useSourceIp: true"
        )
        yield HASH_WITHOUT_EFFECT.at(rule, (*path, "consistentHash", field), message)
    elif hosts and all(host.members is not None and len(host.members) == 1 for host in hosts):
        message = f"{hosts[0].short} has one pod only, which gets all requests whatever is hashed"
        yield HASH_WITHOUT_EFFECT.at(rule, (*path, "consistentHash"), message, INFO)
