"""Workloads: pods, and machines that WorkloadEntries stand for; found by their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshtest.resources.resource import Resource
from meshtest.topology.instance import Instance

Labels = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Workload:
    """One pod or machine. `account` is its service account, `ports` its container ports by name, `known` whether all of it is known."""

    name: str
    namespace: str
    labels: Labels
    account: str
    gateway: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)
    numbers: frozenset[int] = frozenset()
    instance: Instance | None = None
    known: bool = True


def from_instance(instance: Instance) -> Workload:
    """The workload that a pod is."""
    spec = instance.resource.spec
    spec = spec if instance.resource.kind == "Pod" else (spec.get("template") or {}).get("spec") or {}
    containers = spec.get("containers") or []
    numbers = frozenset(port["containerPort"] for each in containers for port in each.get("ports") or [])
    return Workload(
        instance.workload,
        instance.namespace,
        instance.labels,
        instance.account,
        instance.gateway,
        instance.ports,
        numbers,
        instance,
    )


def from_entry(entry: Resource) -> Workload:
    """The workload that a WorkloadEntry describes."""
    spec = entry.spec
    labels = {**entry.labels, **spec.get("labels", {})}
    return Workload(entry.name, entry.namespace, labels, str(spec.get("serviceAccount") or "default"), known=False)


def from_gateway_api(gateway: Resource) -> Workload:
    """The proxy that istiod deploys for a Gateway of the Gateway API (`pilot/pkg/config/kube/gateway/deploymentcontroller.go`)."""
    name = f"{gateway.name}-{gateway.spec.get('gatewayClassName', 'istio')}"
    labels = {
        "gateway.networking.k8s.io/gateway-name": gateway.name,
        "gateway.networking.k8s.io/gateway-class-name": str(gateway.spec.get("gatewayClassName", "")),
        "istio.io/gateway-name": gateway.name,
        **(gateway.spec.get("infrastructure", {}).get("labels") or {}),
    }
    return Workload(name, gateway.namespace, labels, name, gateway=True, known=False)


class Workloads:
    """Workloads by namespace and label, so that a selector costs what it finds."""

    def __init__(self, found: Iterable[Workload]) -> None:
        self.all = list(found)
        self.by_namespace: dict[str, list[Workload]] = {}
        self._by_label: dict[tuple[str, str, str], list[Workload]] = {}
        self._everywhere: dict[tuple[str, str], list[Workload]] = {}
        for each in self.all:
            self.by_namespace.setdefault(each.namespace, []).append(each)
            for key, value in each.labels.items():
                self._by_label.setdefault((each.namespace, key, value), []).append(each)
                self._everywhere.setdefault((key, value), []).append(each)

    def select(self, selector: Labels, namespace: str | None = None) -> list[Workload]:
        """Those with all these labels, in one namespace or in all; an empty selector takes each."""
        if not selector:
            return self.all if namespace is None else self.by_namespace.get(namespace, [])
        if namespace is None:
            lists = [self._everywhere.get(pair, []) for pair in selector.items()]
        else:
            lists = [self._by_label.get((namespace, *pair), []) for pair in selector.items()]
        return [each for each in min(lists, key=len) if selector.items() <= each.labels.items()]
