"""All Services that istiod knows, of Kubernetes and of ServiceEntries, and what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from meshtest.resources.name import address
from meshtest.resources.resource import Resource
from meshtest.topology.endpoint import Endpoint
from meshtest.topology.instance import Instance
from meshtest.topology.service import Port, Resolution, Service
from meshtest.topology.topology import Topology
from meshtest.translate import service_entry, workload_entry
from meshtest.translate.trust_domain import identities
from meshtest.translate.workload_entry import Workload

_NOW = "now"  # comes after every date
_FIRST = ("kubernetes", "default")  # the API server makes its own Service before there is any other


class Registry:
    """Services in istiod's order: the oldest first, then by name and namespace (`SortServicesByCreationTime`).

    Where nothing says when a ServiceEntry was made, it came after the Services.
    """

    def __init__(self, topology: Topology, entries: Sequence[Resource], workloads: Sequence[Resource]) -> None:
        self._topology = topology
        self._workload_entries = [workload_entry.from_resource(each, topology.config) for each in workloads]
        found = [*topology.services, *(service for entry in entries for service in service_entry.services(entry))]
        self.services = sorted(found, key=_age)
        self._by_name: dict[tuple[str, str], list[Service]] = {}
        for service in self.services:
            self._by_name.setdefault((service.hostname, service.namespace), []).append(service)

    @cached_property
    def by_host(self) -> Mapping[str, Mapping[str, Service]]:
        """The Service of a host in each namespace that has it: Kubernetes' own, else the oldest."""
        out: dict[str, dict[str, Service]] = {}
        for (host, namespace), found in self._by_name.items():
            out.setdefault(host, {})[namespace] = min(found, key=lambda service: service.entry)
        return out

    def endpoints(self, service: Service, number: int) -> list[Endpoint]:
        """What stands behind a port: of all Services with this name in this namespace, each address as its port wants it.

        DNS takes the ports of this number, anything else those of this port's name (`BuildClusterLoadAssignment` in
        `endpoint_builder.go`, `CopyEndpoints` in `endpointshards.go`). Only DNS finds host names; where a name is resolved in turn
        (DNS_ROUND_ROBIN) there is one endpoint.
        """
        if (port := service.port(number)) is None:
            return []
        by_number = service.resolution in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
        found = [
            endpoint
            for each in self._by_name.get((service.hostname, service.namespace), [])
            for own in each.ports
            if (own.number == number if by_number else own.name == port.name)
            for endpoint in self.behind(each, own)
        ]
        if service.resolution is Resolution.DNS_ROUND_ROBIN:
            return found[:1]
        return found if service.resolution is Resolution.DNS else [each for each in found if address(each.address)]

    def identities(self, service: Service) -> list[str]:
        """The names that those behind a Service may prove, sorted (`addServiceAccounts` in `push_context.go`)."""
        found = {each.identity for port in service.ports for each in self.endpoints(service, port.number)}
        named = (found | set(service.subject_alt_names)) - {""}
        aliases = self._topology.config.trust_domain_aliases
        return sorted({name for each in named for name in identities(each, aliases)})

    def behind(self, service: Service, port: Port) -> list[Endpoint]:
        """What stands behind a port of this very Service, by address or host name."""
        if service.entry:
            workloads = [*self._pods, *self._workload_entries]
            return service_entry.endpoints(service, port, workloads, self._topology.config)
        found = self._topology.endpoints(service, port)
        if service.resolution is Resolution.STATIC:
            found += [
                each.endpoint(target)
                for each in self._workload_entries
                if each.by_address and each.namespace == service.namespace and service.selects(each.labels)
                if (target := _target(each, port))
            ]
        return found

    @cached_property
    def _pods(self) -> list[Workload]:
        """A ServiceEntry selects pods that are ready (`onEvent` in `serviceregistry/kube/controller/pod.go`)."""
        return [self._pod(each) for each in self._topology.ready]

    def _pod(self, instance: Instance) -> Workload:
        seen = self._topology.endpoint(instance, 0)
        place = (seen.locality, seen.weight, seen.tls, seen.identity)
        return Workload(instance.address, instance.namespace, seen.labels, instance.ports, *place)


def _target(workload: Workload, port: Port) -> int | None:
    """Where a WorkloadEntry takes calls to a Service's port: its own port of the same name, else the Service's number."""
    if isinstance(port.target, int):
        return workload.ports.get(port.name) or port.target
    return workload.ports.get(port.target)


def _age(service: Service) -> tuple[bool, str, str, str]:
    created = service.resource.body["metadata"].get("creationTimestamp")
    made = str(created or (_NOW if service.entry else ""))
    return ((service.name, service.namespace) != _FIRST, made, service.name, service.namespace)
