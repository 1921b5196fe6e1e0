"""Where Gateways send requests: rules that are for calls inside the mesh do not follow (IST0140)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshtest.analysis.binding import Binding, bindings, merged_rules
from meshtest.analysis.catalogue import MESH_RULES_PASSED_OVER
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import Host, listed
from meshtest.analysis.sentence import destination, line, short
from meshtest.analysis.world import World

Spec = Mapping[str, Any]


def check(world: World) -> Iterator[Finding]:
    """Each destination without a subset, behind a Gateway, of which rules of the mesh choose versions."""
    choosing: dict[str, Binding] = {}
    for binding in bindings(world):
        if binding.mesh and not binding.delegate:
            for service in binding.services:
                choosing.setdefault(service.name, binding)
    for binding in bindings(world):
        if binding.gateways and not binding.mesh:
            yield from _binding(world, binding, choosing)


def _binding(world: World, binding: Binding, choosing: Mapping[str, Binding]) -> Iterator[Finding]:
    for rule in binding.rules.http:
        for index, route in enumerate(rule.spec.get("route", [])):
            to = route["destination"]
            other = choosing.get(to["host"])
            if other is None or to.get("subset") or not (live := _chosen(world, other, to["host"])):
                continue
            message = (
                f"this goes to all pods of {short(to['host'])}: the rules of {other.resource} "
                f"({line(other.resource, ('spec',), binding.resource)}), which send to {listed(live)}, are for calls inside "
                "the mesh, and a Gateway follows only those that are bound to it. Bind them to the Gateway too, or name the subset here"
            )
            yield MESH_RULES_PASSED_OVER.at(
                binding.resource, (*rule.path, "route", index, "destination", "host"), message
            )


def _chosen(world: World, binding: Binding, name: str) -> list[str]:
    """The subsets of a host to which the rules send, as people call them; empty where they are all of its pods in one."""
    found: dict[str, str] = {}
    for rule in merged_rules(world, binding):
        for route in _live(rule.spec.get("route", [])):
            to = route["destination"]
            if to["host"] == name and to.get("subset"):
                found.setdefault(to["subset"], destination(to))
    host = world.hosts.get(name)
    if len(found) == 1 and host is not None and _all(world, host, next(iter(found)), binding):
        return []
    return list(found.values())


def _live(routes: Sequence[Spec]) -> Sequence[Spec]:
    return routes if len(routes) == 1 else [each for each in routes if each.get("weight")]


def _all(world: World, host: Host, subset: str, binding: Binding) -> bool:
    """Whether the subset selects all that stands behind the host, as far as anybody knows."""
    rule = world.rule_for(host.name, binding.resource.namespace)
    found = [each for each in rule.subsets if each["name"] == subset] if rule else []
    labels = found[0].get("labels", {}) if found else {}
    return host.members is None or all(labels.items() <= each.items() for each in host.members)
