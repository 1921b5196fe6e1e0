"""Everything the translation looks at, indexed: istiod's push context (`pilot/pkg/model/push_context.go`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from meshtest.resources.resource import Resource
from meshtest.topology.endpoint import Endpoint, Locality, augmented, from_labels
from meshtest.topology.instance import Instance
from meshtest.topology.service import Service
from meshtest.topology.topology import Topology
from meshtest.translate import scope, sidecar
from meshtest.translate.delegate import merged
from meshtest.translate.destination_rule import DestinationRule, DestinationRules, policies
from meshtest.translate.registry import Registry
from meshtest.translate.scope import Scope
from meshtest.translate.virtual_service import MESH, VirtualService, virtual_service

Json = dict[str, Any]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Proxy:
    """One Envoy: which instance it serves; a gateway or a sidecar."""

    instance: Instance

    @property
    def namespace(self) -> str:
        """The namespace that decides which rules it sees."""
        return self.instance.namespace

    @property
    def gateway(self) -> bool:
        """Whether it is a gateway; else it is a sidecar."""
        return self.instance.gateway


class Memory:
    """What outlives a snapshot: the VirtualServices of resources that stay the same objects, and with them their routes; and clusters,
    while only routes change."""

    def __init__(self) -> None:
        self._parsed: dict[int, VirtualService] = {}
        self._inputs: list[Resource] = []
        self._number = 0
        self._kept: dict[object, Any] = {}
        self._kept_of: list[object] = []

    def parsed(self, resources: Sequence[Resource]) -> list[VirtualService]:
        """The VirtualServices of these resources; all others are forgotten."""
        known = self._parsed
        found = [known.get(id(each)) or virtual_service(each) for each in resources]
        self._parsed = {id(each.resource): each for each in found}
        return found

    def number(self, inputs: list[Resource]) -> int:
        """A number that changes when one of these resources does."""
        if [*map(id, inputs)] != [*map(id, self._inputs)]:
            self._inputs = inputs
            self._number += 1
        return self._number

    def kept(self, inputs: list[object], key: object, make: Callable[[], Made]) -> Made:
        """What `make` makes for a key, made once as long as the inputs are the same objects."""
        if [*map(id, inputs)] != [*map(id, self._kept_of)]:
            self._kept_of, self._kept = inputs, {}
        if key not in self._kept:
            self._kept[key] = make()
        made: Made = self._kept[key]
        return made


@dataclass(frozen=True)
class Snapshot:
    """A topology, and the Istio resources in force (checked: see `meshtest.resources.manifest.check`).

    Snapshots of one topology that follow each other may share their `memory`.
    """

    topology: Topology
    resources: Sequence[Resource]
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)

    @cached_property
    def _made(self) -> dict[object, Any]:
        return {}

    def once(self, key: object, make: Callable[[], Made]) -> Made:
        """What `make` makes, made once for each key: proxies that see the same rules share what follows from them."""
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made

    def view(self, proxy: Proxy) -> object:
        """What of a proxy decides what it is sent: the same for two proxies means the same outbound configuration."""
        return (id(self.scope(proxy)), *self._nature(proxy))

    def _nature(self, proxy: Proxy) -> tuple[object, ...]:
        labels = frozenset(self.labels(proxy).items()) if self._looks_at_labels else None
        place = self.locality(proxy) if self._looks_at_places else None
        return (proxy.gateway, place, labels)

    def clusters(self, proxy: Proxy, make: Callable[[], Made]) -> Made:
        """The clusters that `make` makes for a proxy: once for all that see the same, and as long as only other things change.

        They follow from what there is, from DestinationRules, and from which Services the proxy sees.
        """
        seen = tuple((each.hostname, each.namespace, len(each.ports)) for each in self.scope(proxy).services)
        return self.memory.kept(self._cluster_inputs, (proxy.namespace, *self._nature(proxy), seen), make)

    @cached_property
    def _cluster_inputs(self) -> list[object]:
        kinds = ("DestinationRule", "ServiceEntry", "WorkloadEntry", "Sidecar")
        return [self.topology, *(each for kind in kinds for each in self.of_kind(kind))]

    @cached_property
    def _looks_at_labels(self) -> bool:
        return any(each.looks_at_labels for each in self.virtual_services) or any(
            _looks_at_labels(rule) for rule in self.of_kind("DestinationRule")
        )

    @cached_property
    def _looks_at_places(self) -> bool:
        return any(_looks_at_places(rule) for rule in self.of_kind("DestinationRule"))

    def labels(self, proxy: Proxy) -> dict[str, str]:
        """The labels of a proxy: its pod's, and those of the place where it runs (`ads.go`)."""
        instance = proxy.instance
        return self.once(
            ("labels", id(instance)),
            lambda: augmented(instance.labels, self.topology.locality(instance), instance.node),
        )

    def locality(self, proxy: Proxy) -> Locality:
        """Where a proxy runs."""
        return from_labels(self.labels(proxy))

    def of_kind(self, kind: str) -> list[Resource]:
        """Resources in istiod's order: the oldest first, then by name and namespace. The last of a name counts."""
        return self.once(("kind", kind), lambda: self._of_kind(kind))

    def _of_kind(self, kind: str) -> list[Resource]:
        return sorted({each.key: each for each in self.resources if each.kind == kind}.values(), key=_age)

    @cached_property
    def registry(self) -> Registry:
        """All Services, and what stands behind them."""
        return Registry(self.topology, self.of_kind("ServiceEntry"), self.of_kind("WorkloadEntry"))

    @cached_property
    def virtual_services(self) -> list[VirtualService]:
        """All VirtualServices with hosts, their names resolved and their delegates merged in."""
        return merged(self.memory.parsed(self.of_kind("VirtualService")))

    @cached_property
    def _route_inputs(self) -> int:
        hashed = filter(_hashes, self.of_kind("DestinationRule"))
        kinds = ("ServiceEntry", "WorkloadEntry", "Sidecar")
        return self.memory.number([*hashed, *(each for kind in kinds for each in self.of_kind(kind))])

    def routes_key(self, proxy: Proxy) -> object:
        """What the routes of a VirtualService depend on, beside the rule itself and where it stands."""
        return self.once(("routes key", self.view(proxy)), lambda: self._routes_key(proxy))

    def _routes_key(self, proxy: Proxy) -> object:
        labels = frozenset(self.labels(proxy).items()) if self._looks_at_labels else None
        services = hash(tuple((name, len(each.ports)) for name, each in self.scope(proxy).by_hostname.items()))
        return (self._route_inputs, proxy.gateway, proxy.namespace, labels, services)

    @cached_property
    def destination_rules(self) -> DestinationRules:
        """All DestinationRules, those for one host merged."""
        return DestinationRules(self.of_kind("DestinationRule"), self.topology.config.root_namespace)

    def virtual_services_for(self, gateway: str, namespace: str) -> list[VirtualService]:
        """What is bound to a gateway (or `mesh`) and visible in `namespace`: private rules, those exported to it, public ones."""
        return self.once(("rules", gateway, namespace), lambda: self._virtual_services_for(gateway, namespace))

    def _virtual_services_for(self, gateway: str, namespace: str) -> list[VirtualService]:
        bound = [each for each in self._bound.get(gateway, []) if each.visible_in(namespace)]
        return sorted(bound, key=lambda each: each.reach(namespace))

    @cached_property
    def _bound(self) -> dict[str, list[VirtualService]]:
        """By gateway; a gateway that a rule names twice has it twice, and sidecars have each rule once."""
        out: dict[str, list[VirtualService]] = {}
        for each in self.virtual_services:
            for gateway in each.gateways:
                bound = out.setdefault(gateway, [])
                if gateway != MESH or each not in bound[-1:]:
                    bound.append(each)
        return out

    def scope(self, proxy: Proxy) -> Scope:
        """What the proxy can see."""
        return self.once(("scope of", id(proxy.instance)), lambda: self._scope(proxy))

    def _scope(self, proxy: Proxy) -> Scope:
        namespace = proxy.namespace
        if proxy.gateway:
            return self.once(("gateway scope", namespace), lambda: scope.of_gateway(self.registry, namespace))
        root = self.topology.config.root_namespace
        found = sidecar.selected(self._sidecars, namespace, self.labels(proxy), root)
        rules = self.virtual_services_for(MESH, namespace)
        return self.once(
            ("scope", namespace, found and found.key),
            lambda: scope.of_sidecar(self.registry, namespace, rules, found.spec if found else {}),
        )

    @cached_property
    def _sidecars(self) -> list[Resource]:
        return self.of_kind("Sidecar")

    def rule(self, proxy: Proxy, host: str) -> DestinationRule | None:
        """The DestinationRule that counts when a proxy calls `host`; none if it knows no such Service."""
        service = self.scope(proxy).by_hostname.get(host)
        if service is None:
            return None
        labels = self.labels(proxy)
        return self.destination_rules.lookup(host, service.namespace, proxy.namespace, labels)

    def endpoints(self, service: Service, port: int) -> list[Endpoint]:
        """What stands behind a port of a Service."""
        key = ("endpoints", service.hostname, service.namespace, port)
        return self.once(key, lambda: self.registry.endpoints(service, port))

    def identities(self, service: Service) -> Sequence[str]:
        """The names that those behind a Service may prove: SPIFFE names of accounts, and what a ServiceEntry says (sorted)."""
        key = ("identities", service.hostname, service.namespace)
        return self.once(key, lambda: self.registry.identities(service))


def _looks_at_labels(rule: Resource) -> bool:
    """Whether a DestinationRule counts for some proxies only, or sends each to what is labelled as it is."""
    balancers = (policy.get("loadBalancer", {}) for policy in policies(rule.spec))
    return "workloadSelector" in rule.spec or any(
        "failoverPriority" in each.get("localityLbSetting", {}) for each in balancers
    )


def _looks_at_places(rule: Resource) -> bool:
    """Whether by a DestinationRule the place where a proxy runs may matter: localities are preferred where hosts are ejected
    (`locality.preferred`), or shares of them are set."""
    return any(
        "outlierDetection" in each or "localityLbSetting" in each.get("loadBalancer", {})
        for each in policies(rule.spec)
    )


def _hashes(rule: Resource) -> bool:
    """Whether a DestinationRule has a consistent hash, for which routes say what is hashed."""
    return any("consistentHash" in policy.get("loadBalancer", {}) for policy in policies(rule.spec))


def _age(resource: Resource) -> tuple[str, str, str]:
    """Of the same second the name decides, then the namespace (`configCompareByCreationTime` in `pilot/pkg/model/config.go`)."""
    created = resource.body["metadata"].get("creationTimestamp")
    return (str(created or ""), resource.name, resource.namespace)
