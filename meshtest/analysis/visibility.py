"""exportTo: who is meant to see a resource and does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from meshtest.analysis.binding import Binding, bindings
from meshtest.analysis.catalogue import POLICY_HIDDEN, RULES_HIDDEN, SERVICE_HIDDEN, UNKNOWN_NAMESPACE
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import listed
from meshtest.analysis.world import World
from meshtest.resources.resource import Resource
from meshtest.topology.service import exported
from meshtest.translate.host import resolved

_PATH = ("spec", "exportTo")


def check(world: World) -> Iterator[Finding]:
    """Each resource that says to whom it is exported."""
    for binding in bindings(world):
        if binding.resource.spec.get("exportTo"):
            yield from _names(world, binding.resource)
            if not binding.delegate:
                yield from _rules(world, binding)
    for rule in world.networking("DestinationRule"):
        if rule.spec.get("exportTo"):
            yield from _names(world, rule)
            yield from _policy(world, rule)
    for entry in world.networking("ServiceEntry"):
        if entry.spec.get("exportTo"):
            yield from _names(world, entry)
            yield from _entry(world, entry)


def _names(world: World, resource: Resource) -> Iterator[Finding]:
    for index, name in enumerate(resource.spec["exportTo"]):
        if name in (".", "*", "~") or name in world.namespaces:
            continue
        near = difflib.get_close_matches(name, world.namespaces, n=1, cutoff=0.75)
        if near or world.namespaces_listed:
            hint = f"did you mean {near[0]}?" if near else f"there are {listed(sorted(world.namespaces), 8)}"
            message = f"there is no namespace {name}, so that nobody there sees this; {hint}"
            yield UNKNOWN_NAMESPACE.at(resource, (*_PATH, index), message)


def _to(names: frozenset[str]) -> str:
    return listed(sorted(names))


def _rules(world: World, binding: Binding) -> Iterator[Finding]:
    rules, own = binding.rules, binding.resource.namespace
    blind = [
        f"{gateway.name} (pods in {listed(sorted(gateway.namespaces))})"
        for gateway in binding.gateways
        if not any(rules.visible_in(namespace) for namespace in gateway.namespaces)
    ]
    if blind:
        message = (
            f"the VirtualService is exported to {_to(rules.exported_to)} only, so that the Gateway {listed(blind)} "
            "does not see it, and requests there "
            f"get 404. Export it to the namespace of the gateway's pods, or take exportTo away"
        )
        yield RULES_HIDDEN.at(binding.resource, _PATH, message)
    local = [service for service in binding.services if service.namespace == own]
    if binding.mesh and local and own in world.caller_namespaces and not rules.visible_in(own):
        seeing = binding.callers(world)
        who = f"only callers in {listed(sorted(seeing))} do" if seeing else "and no other caller does either"
        message = (
            f"callers of {local[0].short} in its own namespace {own} do not see these rules, {who}: it is exported "
            f"to {_to(rules.exported_to)}. "
            f"Add . to exportTo, or take it away"
        )
        yield RULES_HIDDEN.at(binding.resource, _PATH, message)
    elif binding.mesh_only and binding.services and not binding.callers(world):
        message = (
            f"no caller sees these rules: they are exported to {_to(rules.exported_to)}, where no sidecar runs. "
            "Export them to the callers' namespaces"
        )
        yield RULES_HIDDEN.at(binding.resource, _PATH, message)


def _policy(world: World, rule: Resource) -> Iterator[Finding]:
    names = exported(rule.spec["exportTo"], rule.namespace)
    found = world.hosts.within(resolved(rule.spec["host"], rule.namespace))
    local = [host for host in found if host.namespace == rule.namespace]
    if local and rule.namespace in world.caller_namespaces and not names & {"*", rule.namespace}:
        message = (
            f"callers of {local[0].short} in its own namespace {rule.namespace} do not see this rule: it is exported to {_to(names)} only. "
            f"Add . to exportTo, or take it away"
        )
        yield POLICY_HIDDEN.at(rule, _PATH, message)


def _entry(world: World, entry: Resource) -> Iterator[Finding]:
    names = exported(entry.spec["exportTo"], entry.namespace)
    if names & {"*", entry.namespace} or entry.namespace not in world.caller_namespaces:
        return
    hosts = listed(entry.spec.get("hosts", []))
    message = (
        f"workloads in the ServiceEntry's own namespace {entry.namespace} do not know {hosts}: it is exported to {_to(names)} only. "
        f"Add . to exportTo, or take it away"
    )
    yield SERVICE_HIDDEN.at(entry, _PATH, message)
