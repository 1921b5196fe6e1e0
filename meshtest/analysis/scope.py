"""Policies with selectors: whether there is anything that they are for."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.analysis.catalogue import POLICY_SELECTS_NOTHING
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import listed
from meshtest.analysis.workload import Labels
from meshtest.analysis.world import World, selector_of
from meshtest.resources.manifest import GATEWAY_API, NETWORKING, SECURITY
from meshtest.resources.resource import Resource

# Kinds with a selector, its field and its labels' field, and what happens without any workload.
_KINDS = (
    (SECURITY, "AuthorizationPolicy", "selector", "matchLabels", "it protects nothing"),
    (SECURITY, "PeerAuthentication", "selector", "matchLabels", "it has no effect"),
    (SECURITY, "RequestAuthentication", "selector", "matchLabels", "no token is checked"),
    (NETWORKING, "Sidecar", "workloadSelector", "labels", "it has no effect"),
    (NETWORKING, "EnvoyFilter", "workloadSelector", "labels", "it has no effect"),
    (NETWORKING, "ProxyConfig", "selector", "matchLabels", "it has no effect"),
    (NETWORKING, "DestinationRule", "workloadSelector", "matchLabels", "no caller follows it"),
    ("telemetry.istio.io", "Telemetry", "selector", "matchLabels", "it has no effect"),
    ("extensions.istio.io", "WasmPlugin", "selector", "matchLabels", "it is loaded nowhere"),
)
_OWN_NAMESPACE_ONLY = ("DestinationRule", "PeerAuthentication")


def check(world: World) -> Iterator[Finding]:
    """Each policy that names workloads, by labels or as a target."""
    for group, kind, field, labels, effect in _KINDS:
        for policy in world.other(group, kind):
            selector = selector_of(policy, field, labels)
            if selector and world.pods_known and world.workloads.all:
                yield from _selector(world, policy, selector, (field, labels), effect)
            for index, target in enumerate(policy.spec.get("targetRefs") or []):
                yield from _target(world, policy, target, ("spec", "targetRefs", index), effect)


def _selector(
    world: World, policy: Resource, selector: Labels, fields: tuple[str, str], effect: str
) -> Iterator[Finding]:
    wide = policy.namespace == world.root and policy.kind not in _OWN_NAMESPACE_ONLY
    if world.workloads.select(selector, None if wide else policy.namespace):
        return
    text = ", ".join(f"{key}={value}" for key, value in selector.items())
    elsewhere = sorted({each.namespace for each in world.workloads.select(selector)})
    if elsewhere:
        hint = f"such workloads run in {listed(elsewhere)}: put the {policy.kind} there"
    else:
        pool = world.workloads.all if wide else world.workloads.by_namespace.get(policy.namespace, [])
        there = sorted({f"{key}={each.labels[key]}" for each in pool for key in selector if key in each.labels})
        hint = f"there are {listed(there, 8)}" if there else "write labels that the pods have"
    where = "in the mesh" if wide else f"in {policy.namespace}"
    message = f"no workload {where} has the labels {text}, so that {effect}; {hint}"
    severity = "" if elsewhere or world.certain(policy, selector) else INFO
    yield POLICY_SELECTS_NOTHING.at(policy, ("spec", *fields), message, severity)


def _target(
    world: World, policy: Resource, target: dict[str, str], path: tuple[str | int, ...], effect: str
) -> Iterator[Finding]:
    kind, name = target.get("kind"), target.get("name")
    namespace = target.get("namespace") or policy.namespace
    if kind == "Gateway":
        known = [each.name for each in world.gateway_api("Gateway") if each.namespace == namespace]
        wrong = world.is_wrong(GATEWAY_API, "Gateway", namespace, str(name))
    elif kind == "Service":
        known = [each.name for each in world.topology.services if each.namespace == namespace]
        wrong = world.assumed(policy)
    elif kind == "ServiceEntry":
        known = [each.name for each in world.networking("ServiceEntry") if each.namespace == namespace]
        wrong = world.is_wrong(NETWORKING, "ServiceEntry", namespace, str(name))
    else:
        return
    if name not in known and not wrong:
        there = f"there are {listed(sorted(known), 8)}" if known else "there is none"
        message = f"there is no {kind} {name} in {namespace}, so that {effect}; {there}"
        yield POLICY_SELECTS_NOTHING.at(policy, path, message)
