"""Everything the translation looks at, indexed: istiod's push context (`pilot/pkg/model/push_context.go`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from meshtest.resources.resource import Resource
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.translate.destination_rule import DestinationRules
from meshtest.translate.virtual_service import VirtualService, virtual_service

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


@dataclass(frozen=True)
class Snapshot:
    """A topology, and the Istio resources in force (checked: see `meshtest.resources.manifest.check`)."""

    topology: Topology
    resources: Sequence[Resource]

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
        """What of a proxy decides which rules it sees and how: the same for two proxies means the same outbound configuration."""
        labels = frozenset(proxy.instance.labels.items()) if self._looks_at_labels else None
        return (proxy.gateway, proxy.namespace, labels)

    @cached_property
    def _looks_at_labels(self) -> bool:
        matches = (match for each in self.virtual_services for rule in each.rules for match in rule.get("match", []))
        selectors = (rule.spec.get("workloadSelector") for rule in self.of_kind("DestinationRule"))
        return any("sourceLabels" in match for match in matches) or any(each is not None for each in selectors)

    def of_kind(self, kind: str) -> list[Resource]:
        """Resources in the order in which istiod considers them: the oldest first, then by name. The last of a name counts."""
        return sorted({each.key: each for each in self.resources if each.kind == kind}.values(), key=_age)

    @cached_property
    def virtual_services(self) -> list[VirtualService]:
        """All VirtualServices, their hosts resolved."""
        return [virtual_service(each) for each in self.of_kind("VirtualService")]

    @cached_property
    def destination_rules(self) -> DestinationRules:
        """All DestinationRules, those for one host merged."""
        return DestinationRules(self.of_kind("DestinationRule"), self.topology.config.root_namespace)

    def virtual_services_for(self, gateway: str, namespace: str) -> list[VirtualService]:
        """What is bound to a gateway (or `mesh`) and visible in `namespace`: private rules, those exported to it, public ones."""
        bound = [each for each in self.virtual_services if gateway in each.gateways and each.visible_in(namespace)]
        return sorted(bound, key=lambda each: each.reach(namespace))


def _age(resource: Resource) -> tuple[str, str]:
    created = resource.body["metadata"].get("creationTimestamp")
    return (str(created or ""), f"{resource.name}.{resource.namespace}")
