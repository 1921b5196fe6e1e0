"""Where VirtualServices count: the services of the mesh that they rule, the servers of Gateways, and their delegates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from meshtest.analysis.gateway import Gateway, Server, gateways
from meshtest.analysis.host import Host
from meshtest.analysis.world import World
from meshtest.resources.resource import Resource
from meshtest.translate.virtual_service import MESH, Rule, VirtualService


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

    @cached_property
    def place(self) -> object:
        """Where it counts, as something to compare: equal places have the same proxies and ports."""
        servers = frozenset((server.gateway, server.number) for server in self.servers)
        services = frozenset(service.name for service in self.services)
        return (self.mesh, self.rules.exported_to, servers, services, frozenset(each.name for each in self.gateways))

    @property
    def mesh_only(self) -> bool:
        """Whether it counts in the mesh and at no Gateway."""
        return self.mesh and not self.gateways

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
            if (
                found
                and not root.delegate
                and found.rules.visible_in(root.resource.namespace)
                and root not in found.roots
            ):
                found.roots.append(root)
    for each in by_name.values():
        _inherit(each)
    return out


def _inherit(delegate: Binding) -> None:
    delegate.mesh = any(root.mesh for root in delegate.roots)
    delegate.services = list(dict.fromkeys(found for root in delegate.roots for found in root.services))
    delegate.gateways = list(dict.fromkeys(found for root in delegate.roots for found in root.gateways))
    delegate.servers = list(dict.fromkeys(found for root in delegate.roots for found in root.servers))


def delegations(rules: VirtualService) -> Iterator[tuple[Rule, tuple[str, str]]]:
    """The rules that delegate, each with namespace and name of the delegate."""
    for rule in rules.http:
        if "delegate" in rule.spec:
            named = rule.spec["delegate"]
            yield rule, (named.get("namespace") or rules.resource.namespace, named.get("name", ""))


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


def merged_rules(world: World, binding: Binding) -> Sequence[Rule]:
    """The `http` rules of a VirtualService with those of its delegates in their places."""
    found = world.once(
        "merged rules", lambda: {id(each.resource): each.http for each in world.snapshot.virtual_services}
    )
    return found[id(binding.resource)]
