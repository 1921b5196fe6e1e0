"""Where VirtualServices count: the services of the mesh that they rule, the servers of Gateways, and their delegates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtest.analysis.delegate import merged
from meshtest.analysis.gateway import Gateway, Server, gateways
from meshtest.analysis.host import Host
from meshtest.analysis.world import MESH, World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate.host import resolved
from meshtest.translate.virtual_service import VirtualService, gateway_name


@dataclass(frozen=True, eq=False)
class Rule:
    """An entry of `http`, its names resolved; `path` is where `resource` has it. A delegate's carries what its root says."""

    spec: Mapping[str, Any]
    resource: Resource
    path: Path

    @property
    def line(self) -> int:
        """The line where it begins."""
        return self.resource.line(*self.path)


@dataclass(eq=False)
class Binding:
    """`services` are the hosts of the mesh it rules, `servers` what serves it at its `gateways`; of a delegate those of its roots."""

    rules: VirtualService
    mesh: bool = False
    services: list[Host] = field(default_factory=list)
    gateways: list[Gateway] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    roots: list[Binding] = field(default_factory=list)

    @property
    def resource(self) -> Resource:
        """The VirtualService."""
        return self.rules.resource

    @property
    def delegate(self) -> bool:
        """Whether it has no hosts, and so can only be delegated to."""
        return not self.rules.hosts

    @property
    def mesh_only(self) -> bool:
        """Whether it counts in the mesh and at no Gateway."""
        return self.mesh and not self.gateways

    def own_rules(self) -> Iterator[Rule]:
        """Its `http` entries as it has them."""
        for index, spec in enumerate(self.rules.rules):
            yield Rule(spec, self.resource, ("spec", "http", index))

    def callers(self, world: World) -> frozenset[str]:
        """The namespaces of the sidecars that see it in the mesh."""
        if not self.mesh:
            return frozenset()
        return frozenset(each for each in world.caller_namespaces if self.rules.visible_in(each))


def bindings(world: World) -> list[Binding]:
    """All VirtualServices and where they count."""
    return world.once("bindings", lambda: _bindings(world))


def _bindings(world: World) -> list[Binding]:
    known = gateways(world)
    out = [_binding(world, known, rules) for rules in world.virtual_services]
    by_name = {(each.resource.namespace, each.resource.name): each for each in out if each.delegate}
    for root in out:
        for _, key in delegations(root.rules):
            found = by_name.get(key)
            if found and found.rules.visible_in(root.resource.namespace) and root not in found.roots:
                found.roots.append(root)
    for each in by_name.values():
        _inherit(each)
    return out


def _inherit(delegate: Binding) -> None:
    delegate.mesh = any(root.mesh for root in delegate.roots)
    delegate.services = list(dict.fromkeys(found for root in delegate.roots for found in root.services))
    delegate.gateways = list(dict.fromkeys(found for root in delegate.roots for found in root.gateways))
    delegate.servers = list(dict.fromkeys(found for root in delegate.roots for found in root.servers))


def delegations(rules: VirtualService) -> Iterator[tuple[int, tuple[str, str]]]:
    """The rules that delegate, each with namespace and name of the delegate."""
    for index, rule in enumerate(rules.rules):
        if "delegate" in rule:
            own = rules.resource.namespace
            yield index, (rule["delegate"].get("namespace") or own, str(rule["delegate"].get("name", "")))


def _binding(world: World, known: Mapping[str, Gateway], rules: VirtualService) -> Binding:
    if not rules.hosts:
        return Binding(rules)
    out = Binding(rules, MESH in rules.gateways)
    if out.mesh:
        out.services = list(dict.fromkeys(each for name in rules.hosts for each in ruled(world, name)))
    out.gateways = [known[name] for name in sorted(rules.gateways) if name in known]
    namespace = rules.resource.namespace
    servers = (each for gateway in out.gateways for name in rules.hosts for each in gateway.serving(name, namespace))
    out.servers = list(dict.fromkeys(servers))
    return out


def ruled(world: World, name: str) -> list[Host]:
    """The services of the mesh that a host of a VirtualService stands for; a name may be one that a wildcard covers."""
    found = world.hosts.within(name)
    if not found and (wide := world.hosts.covering(name)):
        return [wide]
    return found


def merged_rules(world: World, binding: Binding) -> list[Rule]:
    """The rules of a VirtualService with those of its delegates in their places."""
    if not any("delegate" in rule for rule in binding.rules.rules):
        return list(binding.own_rules())
    by_name = world.once("delegates", lambda: {_key(each): each for each in bindings(world) if each.delegate})
    out: list[Rule] = []
    for rule in binding.own_rules():
        if "delegate" not in rule.spec:
            out.append(rule)
            continue
        given = rule.spec["delegate"]
        found = by_name.get((given.get("namespace") or binding.resource.namespace, given.get("name", "")))
        for part in found.own_rules() if found and binding in found.roots else ():
            if (both := merged(rule.spec, part.spec)) is not None:
                out.append(Rule(both, part.resource, part.path))
    return out


def _key(binding: Binding) -> tuple[str, str]:
    return (binding.resource.namespace, binding.resource.name)


def layer4(binding: Binding, section: str) -> Iterator[Rule]:
    """The entries of `tcp` or `tls`, their names resolved."""
    namespace = binding.resource.namespace
    for index, spec in enumerate(binding.resource.spec.get(section, [])):
        routes = [
            {**each, "destination": {**each["destination"], "host": resolved(each["destination"]["host"], namespace)}}
            for each in spec.get("route", [])
        ]
        matches = [_match(each, namespace) for each in spec.get("match", [])]
        yield Rule({**spec, "route": routes, "match": matches}, binding.resource, ("spec", section, index))


def _match(match: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    given = match.get("gateways")
    return {**match, "gateways": [gateway_name(each, namespace) for each in given]} if given else match
