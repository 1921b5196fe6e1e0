"""Everything that the analysis looks at, indexed: resources, topology, and what follows from both."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, TypeVar

from meshtest.analysis import host, workload
from meshtest.analysis.host import Host, Hosts
from meshtest.analysis.workload import Labels, Workload, Workloads
from meshtest.resources.manifest import GATEWAY_API, NETWORKING, SECURITY
from meshtest.resources.resource import Resource
from meshtest.topology.service import Service
from meshtest.topology.topology import Topology
from meshtest.translate.destination_rule import DestinationRule
from meshtest.translate.host import resolved
from meshtest.translate.snapshot import Snapshot
from meshtest.translate.virtual_service import MESH, VirtualService

Made = TypeVar("Made")
Key = tuple[str, str, str, str]


class World:
    """Istio's resources (checked, the last of a name) in a topology, and the other objects that were given.

    `subjects` are the keys of what findings are wanted of, None for all Istio resources; `wrong` of those that the API server
    would refuse, which are not looked into. `assumed` says that nobody described the topology, so that what is missing in it
    may exist; `pods_known` that the workloads of Services are known.
    """

    def __init__(
        self,
        topology: Topology,
        resources: Iterable[Resource],
        objects: Iterable[Resource] = (),
        *,
        subjects: frozenset[Key] | None = None,
        wrong: frozenset[Key] = frozenset(),
        assumed: bool = False,
        pods_known: bool = True,
    ) -> None:
        self.topology = topology
        last = {each.key: each for each in resources}
        self.resources: Sequence[Resource] = [each for each in last.values() if each.key not in wrong]
        self.objects: Sequence[Resource] = list({each.key: each for each in objects}.values())
        self.subjects = subjects
        self.wrong = wrong
        self._assumed = assumed
        self.pods_known = pods_known
        self._rules: dict[tuple[str, str], DestinationRule | None] = {}
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` makes, made once: indices that several checks share."""
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made

    def concerns(self, resource: Resource) -> bool:
        """Whether findings of this resource are wanted."""
        return self.subjects is None or resource.key in self.subjects

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, str], list[Resource]]:
        out: dict[tuple[str, str], list[Resource]] = {}
        for each in self.resources:
            out.setdefault((each.group, each.kind), []).append(each)
        return out

    def networking(self, kind: str) -> list[Resource]:
        """Resources of a kind of `networking.istio.io`."""
        return self._kinds.get((NETWORKING, kind), [])

    def security(self, kind: str) -> list[Resource]:
        """Resources of a kind of `security.istio.io`, the oldest first."""
        return self.snapshot.of_kind(kind)

    def gateway_api(self, kind: str) -> list[Resource]:
        """Resources of a kind of the Gateway API."""
        return self._kinds.get((GATEWAY_API, kind), [])

    def other(self, group: str, kind: str) -> list[Resource]:
        """Resources of another group."""
        return self._kinds.get((group, kind), [])

    def is_wrong(self, group: str, kind: str, namespace: str, name: str) -> bool:
        """Whether there is such an object but for what is wrong with it, so that its absence is no news."""
        return (group, kind, namespace, name) in self.wrong

    @cached_property
    def given(self) -> list[Resource]:
        """The other objects of which findings are wanted, such as Services; those of the topology are not."""
        return [each for each in self.objects if self.subjects is None or each.key in self.subjects]

    def objects_of(self, kind: str) -> list[Resource]:
        """Kubernetes' own objects of a kind."""
        by_kind = self.once("objects by kind", lambda: _by_kind(self.objects))
        return by_kind.get(kind, [])

    @property
    def root(self) -> str:
        """The namespace whose policies are for the whole mesh."""
        return self.topology.config.root_namespace

    @cached_property
    def snapshot(self) -> Snapshot:
        """What the translation looks at: the same look-ups answer here."""
        return Snapshot(
            self.topology, [_translated(each) for each in self.resources if each.group in (NETWORKING, SECURITY)]
        )

    @cached_property
    def virtual_services(self) -> list[VirtualService]:
        """All VirtualServices, delegates too, names resolved, in istiod's order."""
        return self.snapshot.memory.parsed(self.snapshot.of_kind("VirtualService"))

    @cached_property
    def workloads(self) -> Workloads:
        """All pods, machines, and proxies that istiod would deploy."""
        found = [workload.from_instance(each) for each in self.topology.instances]
        found += [workload.from_entry(each) for each in self.networking("WorkloadEntry")]
        deployed = [each for each in self.gateway_api("Gateway") if not each.spec.get("addresses")]
        return Workloads([*found, *map(workload.from_gateway_api, deployed)])

    @cached_property
    def hosts(self) -> Hosts:
        """All names that traffic can be sent to."""
        services = sorted(self.snapshot.registry.services, key=lambda service: service.entry)
        last: dict[tuple[str, int], Service] = {(each.hostname, id(each.resource)): each for each in services}
        return Hosts(host.host(each, self.workloads) for each in last.values())

    def assumed(self, resource: Resource) -> bool:
        """Whether the topology is a mere assumption for a resource: nobody gave one, and nothing in its file names a service of it."""
        return self._assumed and resource.file not in self._in_topology

    def certain(self, resource: Resource, selector: Labels) -> bool:
        """Whether it is certain that labels which select nothing are a mistake: all pods are known, or some have nearly these labels."""
        if not self._assumed or resource.file in self._in_topology:
            return True
        values = self.once("values of labels", lambda: _values(self.workloads.all))
        return any(get_close_matches(value, values.get(key, ()), n=1, cutoff=0.75) for key, value in selector.items())

    @cached_property
    def _in_topology(self) -> frozenset[str]:
        services = {each.hostname for each in self.topology.services}
        out = set()
        for rules in self.virtual_services:
            named = {route["destination"]["host"] for rule in rules.rules for route in rule.spec.get("route", [])}
            if services & {*named, *rules.hosts}:
                out.add(rules.resource.file)
        for rule in self.networking("DestinationRule"):
            if resolved(rule.spec["host"], rule.namespace) in services:
                out.add(rule.file)
        return frozenset(out)

    @cached_property
    def caller_namespaces(self) -> frozenset[str]:
        """Where sidecars run."""
        found = frozenset(each.namespace for each in self.workloads.all if not each.gateway)
        return found or frozenset(each.namespace for each in self.hosts.all)

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """All namespaces that something says exist."""
        named = {each.name for each in self.objects_of("Namespace")}
        return frozenset(
            named | {each.namespace for each in self.topology.services} | self.caller_namespaces | {self.root}
        )

    @cached_property
    def namespaces_listed(self) -> bool:
        """Whether somebody lists the namespaces, so that another name is one that does not exist."""
        return bool(self.objects_of("Namespace"))

    def services_of(self, each: Workload) -> list[Host]:
        """The Services that a pod stands behind."""
        return self.once("services by workload", self._services_by_workload).get(id(each), [])

    def _services_by_workload(self) -> dict[int, list[Host]]:
        out: dict[int, list[Host]] = {}
        for service in self.topology.services:
            if service.selector:
                found = self.hosts.by_name[service.hostname]
                for each in self.workloads.select(service.selector, service.namespace):
                    out.setdefault(id(each), []).append(found)
        return out

    def rule_for(self, name: str, namespace: str) -> DestinationRule | None:
        """The DestinationRule that counts for calls of a host by an ordinary proxy of a namespace."""
        key = (name, namespace)
        if key not in self._rules:
            found = self.hosts.get(name)
            rules = self.snapshot.destination_rules
            self._rules[key] = rules.lookup(name, found.namespace, namespace, {}) if found else None
        return self._rules[key]

    def selected(self, policy: Resource, selector: Labels) -> list[Workload]:
        """What a policy with this selector is for: its namespace, or the mesh where it stands in the root namespace."""
        return self.workloads.select(selector, None if policy.namespace == self.root else policy.namespace)


def _translated(resource: Resource) -> Resource:
    """The resource in a form that the translation takes: names that are resolved on demand are as good as not resolved at all."""
    if resource.kind != "ServiceEntry" or resource.spec.get("resolution") != "DYNAMIC_DNS":
        return resource
    return replace(resource, body={**resource.body, "spec": {**resource.spec, "resolution": "NONE"}})


def _values(workloads: Iterable[Workload]) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {}
    for each in workloads:
        for key, value in each.labels.items():
            out.setdefault(key, set()).add(value)
    return out


def _by_kind(objects: Iterable[Resource]) -> dict[str, list[Resource]]:
    out: dict[str, list[Resource]] = {}
    for each in objects:
        out.setdefault(each.kind, []).append(each)
    return out


def selector_of(resource: Resource, field: str = "selector", labels: str = "matchLabels") -> Labels:
    """The labels of a policy's selector, empty where it has none."""
    found: Labels = (resource.spec.get(field) or {}).get(labels) or {}
    return found


__all__ = ["MESH", "World", "selector_of"]
