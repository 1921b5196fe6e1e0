"""Outlier detection: whether it can eject a pod at all, and what is left when it does.

Envoy ejects a host if, with it, no more than `max_ejection_percent` of all are out (`outlier_detection_impl.cc`); istiod's defaults
stand in `applyOutlierDetection` of `pilot/pkg/networking/core/cluster_traffic_policy.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import DETECTION_OFF, EJECTION_NEVER, EJECTION_TAKES_ALL, LEGACY_ERRORS, PANIC_AT_ONCE
from meshtest.analysis.destinations import targets
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import Host
from meshtest.analysis.sentence import percent
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate.host import resolved

Spec = Mapping[str, Any]
DEFAULT_PERCENT = 10  # Envoy's max_ejection_percent
DEFAULT_5XX = 5  # Envoy's consecutive_5xx


def check(world: World) -> Iterator[Finding]:
    """Each outlierDetection, for the pods that it is for."""
    for rule in world.networking("DestinationRule"):
        hosts = world.hosts.within(resolved(rule.spec["host"], rule.namespace))
        for path, detection, subset in detections(rule):
            yield from _fields(rule, detection, path)
            if not _switched_off(detection):
                yield from _counts(world, rule, detection, path, hosts, subset)


def detections(rule: Resource) -> Iterator[tuple[Path, Spec, Spec | None]]:
    """Each outlierDetection with its path, and the subset that it stands in."""
    yield from _of(rule.spec.get("trafficPolicy"), ("spec", "trafficPolicy"), None)
    for index, subset in enumerate(rule.spec.get("subsets", [])):
        yield from _of(subset.get("trafficPolicy"), ("spec", "subsets", index, "trafficPolicy"), subset)


def _of(policy: Spec | None, path: Path, subset: Spec | None) -> Iterator[tuple[Path, Spec, Spec | None]]:
    if policy and "outlierDetection" in policy:
        yield (*path, "outlierDetection"), policy["outlierDetection"], subset
    for index, setting in enumerate((policy or {}).get("portLevelSettings", [])):
        if "outlierDetection" in setting:
            yield (*path, "portLevelSettings", index, "outlierDetection"), setting["outlierDetection"], subset


def _switched_off(detection: Spec) -> bool:
    local = detection.get("splitExternalLocalOriginErrors") and detection.get("consecutiveLocalOriginFailures", 1)
    return (
        detection.get("consecutive5xxErrors", DEFAULT_5XX) == 0
        and not detection.get("consecutiveGatewayErrors")
        and not local
    )


def _fields(rule: Resource, detection: Spec, path: Path) -> Iterator[Finding]:
    if "consecutiveErrors" in detection:
        effective = detection.get("consecutive5xxErrors", DEFAULT_5XX)
        message = (
            f"consecutiveErrors is an old field that Istio ignores, so that a pod is ejected behind {effective} errors of 5xx"
            f"{' (the default)' if 'consecutive5xxErrors' not in detection else ''}. Write consecutive5xxErrors or consecutiveGatewayErrors"
        )
        yield LEGACY_ERRORS.at(rule, (*path, "consecutiveErrors"), message)
    if _switched_off(detection):
        message = (
            "no error ejects a pod: the 5xx errors are switched off by 0, and gateway errors are not counted. Give "
            "one of the two a number"
        )
        yield DETECTION_OFF.at(rule, (*path, "consecutive5xxErrors"), message)
    if detection.get("maxEjectionPercent") == 0:
        message = (
            f"0 counts as unset, so that up to the default of {DEFAULT_PERCENT} % is ejected. Write "
            "consecutive5xxErrors: 0 to eject none"
        )
        yield DETECTION_OFF.at(rule, (*path, "maxEjectionPercent"), message)
    gateway, server = detection.get("consecutiveGatewayErrors") or 0, detection.get("consecutive5xxErrors", DEFAULT_5XX)
    if server and gateway >= server:
        default = "" if "consecutive5xxErrors" in detection else " (the default)"
        message = (
            f"{gateway} gateway errors (502, 503, 504) are 5xx errors too, of which {server}{default} eject already, "
            "so that this has no effect. "
            f"Write a lower number, or consecutive5xxErrors: 0"
        )
        yield DETECTION_OFF.at(rule, (*path, "consecutiveGatewayErrors"), message)
    if "outlierDetectionHttpErrorCodes" in detection:
        message = "Istio takes this field and does nothing with it: 5xx errors count. Take it away"
        yield DETECTION_OFF.at(rule, (*path, "outlierDetectionHttpErrorCodes"), message)


def _counts(
    world: World, rule: Resource, detection: Spec, path: Path, hosts: list[Host], subset: Spec | None
) -> Iterator[Finding]:
    for host in hosts:
        if host.members is None or not (host.entry or world.pods_known):
            continue
        for name, count in _pools(world, rule, host, subset, path):
            if count and (found := _judged(rule, detection, path, name, count)):
                yield found
                return


def _pools(world: World, rule: Resource, host: Host, subset: Spec | None, path: Path) -> Iterator[tuple[str, int]]:
    """What is ejected from: the pods of the host, or of each subset that has no detection of its own."""
    members = host.members or ()
    if subset is not None:
        yield f"{host.short} {subset['name']}", _selected(members, subset)
        return
    if not _only_by_subset(world, host):
        yield host.short, len(members)
    for each in rule.spec.get("subsets", []):
        if "outlierDetection" not in (each.get("trafficPolicy") or {}) and (host.name, each["name"]) in _used(world):
            yield f"{host.short} {each['name']}", _selected(members, each)


def _selected(members: tuple[Mapping[str, str], ...], subset: Spec) -> int:
    return sum(subset.get("labels", {}).items() <= each.items() for each in members)


def _used(world: World) -> set[tuple[str, str]]:
    return world.once(
        "subsets with traffic",
        lambda: {(each.spec["host"], each.spec.get("subset", "")) for each in targets(world) if each.share},
    )


def _only_by_subset(world: World, host: Host) -> bool:
    """Whether rules send all traffic to subsets, so that nothing is ejected from the service as a whole."""
    used = _used(world)
    return (host.name, "") not in used and any(name == host.name for name, _ in used)


def _judged(rule: Resource, detection: Spec, path: Path, name: str, count: int) -> Finding | None:
    most = detection.get("maxEjectionPercent") or DEFAULT_PERCENT
    one = 100 / count
    pods = f"{count} pods" if count > 1 else "one pod"
    least = detection.get("minHealthPercent", 0)
    if one > most:
        given = (
            f"maxEjectionPercent {most}"
            if detection.get("maxEjectionPercent")
            else f"the default maxEjectionPercent of {most}"
        )
        message = (
            f"no pod is ever ejected: {name} has {pods}, so that one of them is {percent(one)}, more than {given} allows. "
            + (
                f"Write maxEjectionPercent: {-(-100 // count)} or more"
                if count > 1
                else "Run more pods: ejecting the only one would leave none"
            )
        )
        return EJECTION_NEVER.at(rule, path, message)
    if least > 100 - one:
        left = f"{percent(100 - one)} of the pods are left" if count > 1 else "none is left"
        message = (
            f"ejection switches itself off at the first pod: with {pods} behind {name}, {left} then, less than minHealthPercent {least}, "
            f"and Envoy sends to all of them again, the sick one too. Lower minHealthPercent"
        )
        return PANIC_AT_ONCE.at(rule, (*path, "minHealthPercent"), message)
    if count == 1:
        base = detection.get("baseEjectionTime", "30s")
        message = (
            f"{name} has one pod only, and ejecting it leaves none: a few errors take the whole service down for "
            f"{base} and longer (503, UH). "
            f"Run more pods, or take the outlier detection away"
        )
        return EJECTION_TAKES_ALL.at(rule, path, message)
    return None
