"""Services, instances and the endpoints between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network

from meshtest.errors import ResourceError
from meshtest.resources.resource import Resource
from meshtest.topology.endpoint import NOWHERE, Endpoint, Locality, augmented, from_labels, locality
from meshtest.topology.instance import Instance, from_deployment, from_pod
from meshtest.topology.kubernetes import checked
from meshtest.topology.mesh_config import MeshConfig, mesh_config
from meshtest.topology.service import Port, Service, service

# Virtual addresses for what has none in the manifests: nothing ever listens on them.
_SERVICES, _PODS = IPv4Network("10.96.128.0/17"), IPv4Network("10.244.0.0/16")

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Topology:
    """What exists in the cluster, apart from Istio's own resources."""

    services: tuple[Service, ...]
    instances: tuple[Instance, ...]
    config: MeshConfig
    localities: Mapping[str, Locality]
    credentials: Mapping[tuple[str, str, str], Resource] = field(default_factory=dict)
    """Secrets and ConfigMaps by kind, namespace and name."""
    home: str = "default"
    """The namespace whose workloads need not name it."""
    unready: frozenset[str] = frozenset()
    """The addresses of instances that are not ready: Services leave them out, as Kubernetes does when a readiness probe fails."""

    @cached_property
    def by_hostname(self) -> Mapping[str, Service]:
        """Services by their DNS name."""
        return {service.hostname: service for service in self.services}

    @cached_property
    def by_address(self) -> Mapping[str, Instance]:
        """Instances by their address."""
        return {each.address: each for each in self.instances}

    @cached_property
    def ready(self) -> tuple[Instance, ...]:
        """The instances that are ready."""
        return tuple(each for each in self.instances if each.address not in self.unready)

    @cached_property
    def names(self) -> Mapping[str, tuple[Instance, ...]]:
        """Instances by their workload's name; `NAME.NAMESPACE` where a name stands in several namespaces."""
        places = Counter(name for name, _ in {(each.workload, each.namespace) for each in self.instances})
        out: dict[str, tuple[Instance, ...]] = {}
        for each in self.instances:
            name = (
                f"{each.workload}.{each.namespace}"
                if places[each.workload] > 1 and each.namespace != self.home
                else each.workload
            )
            out[name] = (*out.get(name, ()), each)
        return out

    def locality(self, instance: Instance) -> Locality:
        """Where an instance runs: its node's region, zone and subzone, unless its label `istio-locality` says otherwise."""
        if label := instance.labels.get("istio-locality"):
            return locality(label.replace(".", "/"))
        return self.localities.get(instance.node, NOWHERE)

    def endpoints(self, service: Service, port: Port) -> list[Endpoint]:
        """The instances behind a port of a Service, in the order of the manifests; those that are ready, unless it publishes all."""
        out = []
        for instance in self.instances if service.publishes_unready else self.ready:
            if instance.namespace == service.namespace and service.selects(instance.labels):
                target = port.target if isinstance(port.target, int) else instance.ports.get(port.target)
                if target is not None:
                    out.append(self.endpoint(instance, target))
        return out

    def endpoint(self, instance: Instance, port: int) -> Endpoint:
        """A port of an instance, as an endpoint."""
        where = self.locality(instance)
        return Endpoint(
            instance.address,
            port,
            augmented(instance.labels, where, instance.node),
            where,
            tls=instance.labels.get("security.istio.io/tlsMode") == "istio",
            identity=self.config.identity(instance.namespace, instance.account),
        )


def topology(given: Iterable[Resource]) -> Topology:
    """The topology that these Kubernetes objects describe; kinds that do not matter here (Ingress, Job, ...) are passed over.

    Raises WrongResources for an object that has not the shape that Kubernetes wants.
    """
    found = checked(given)
    return assembled(found, mesh_config(found))


def assembled(found: Sequence[Resource], config: MeshConfig) -> Topology:
    """The topology that these objects describe, each of which has the shape that Kubernetes wants."""
    _distinct(found)
    free_services = _free(_SERVICES, (str(each.spec.get("clusterIP")) for each in found if each.kind == "Service"))
    running = [each for each in found if each.kind == "Pod" and each.body.get("status", {}).get("phase") not in _ENDED]
    free_pods = _free(_PODS, (str(each.body.get("status", {}).get("podIP")) for each in running))
    pods = [from_pod(each, next(free_pods)) for each in running]
    made = [
        each for owner in found if owner.kind in ("Deployment", "StatefulSet") for each in _new(owner, pods, free_pods)
    ]
    localities = {each.name: from_labels(each.labels) for each in found if each.kind == "Node"}
    services = tuple(service(each, next(free_services)) for each in found if each.kind == "Service")
    credentials = {
        (each.kind, each.namespace, each.name): each for each in found if each.kind in ("Secret", "ConfigMap")
    }
    return Topology(services, (*pods, *made), config, localities, credentials)


def _new(owner: Resource, pods: list[Instance], free: Iterator[str]) -> list[Instance]:
    """A Deployment's instances, unless its pods are given too (as in a dump of a cluster)."""
    wanted = owner.spec.get("selector", {}).get("matchLabels", {}).items()
    given = [pod for pod in pods if pod.namespace == owner.namespace and wanted and wanted <= pod.labels.items()]
    return [] if given else from_deployment(owner, free)


def _free(network: IPv4Network, taken: Iterable[str]) -> Iterator[str]:
    used = set(taken)
    yield from (str(address) for address in network.hosts() if str(address) not in used)
    raise ResourceError(f"the topology has more objects than there are addresses in {network}")


def _distinct(found: Sequence[Resource]) -> None:
    seen: dict[tuple[str, str, str, str], Resource] = {}
    for each in found:
        if each.kind not in ("Service", "Pod", "Deployment", "StatefulSet"):
            continue  # the API server would take the last of two
        if (first := seen.setdefault(each.key, each)) is not each:
            raise ResourceError(
                f"{each.where()}: {each} is given twice, first at {first.where()}; a topology has one object of a name"
            )
