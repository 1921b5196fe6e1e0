"""ServiceEntries as Services (`convertServices` in `pilot/pkg/serviceregistry/serviceentry/conversion.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from meshtest.resources.name import address
from meshtest.resources.resource import Resource
from meshtest.topology.endpoint import Endpoint
from meshtest.topology.mesh_config import MeshConfig
from meshtest.topology.protocol import parsed
from meshtest.topology.service import Port, Resolution, Service, exported
from meshtest.translate.workload_entry import Workload, workload


def services(resource: Resource) -> list[Service]:
    """One Service for each host and each address of the entry."""
    spec = resource.spec
    resolution = Resolution(spec.get("resolution", "NONE"))
    ports = tuple(
        Port(port["name"], port["number"], port.get("targetPort") or port["number"], parsed(port.get("protocol", "")))
        for port in spec.get("ports", [])
    )
    selector = spec.get("workloadSelector", {}).get("labels", {})
    return [
        Service(
            host,
            resource.namespace,
            host,
            where,
            ports,
            selector,
            resource,
            resolution,
            exported(spec.get("exportTo", []), resource.namespace),
            entry=True,
            external=spec.get("location", "MESH_EXTERNAL") == "MESH_EXTERNAL",
            subject_alt_names=tuple(spec.get("subjectAltNames", [])),
        )
        for host in dict.fromkeys(spec["hosts"])
        for where in _addresses(spec.get("addresses", []))
    ]


def _addresses(given: Sequence[str]) -> list[str]:
    """Addresses and CIDR ranges; a range of one address is that address. Where none is given there is one Service without."""
    return [_single(each) for each in given] or [""]


def _single(given: str) -> str:
    if address(given):
        return given
    network = ip_network(given, strict=False)
    return given.partition("/")[0] if network.num_addresses == 1 else given


def endpoints(service: Service, port: Port, workloads: Sequence[Workload], config: MeshConfig) -> list[Endpoint]:
    """What stands behind a port of an entry's Service: the entry's own endpoints, or the selected among `workloads`.

    An entry that is resolved by DNS, and names neither, leads to its own host.
    """
    spec = service.resource.spec
    dns = service.resolution in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
    if "workloadSelector" in spec:
        found = [
            each
            for each in workloads
            if each.namespace == service.namespace
            and service.selector.items() <= each.labels.items()
            and (dns or each.by_address)
        ]
    else:
        found = [workload(each, service.namespace, config) for each in spec.get("endpoints", [])]
        if not found and dns:
            return [Endpoint(service.hostname, _number(port), {})]
    return [each.endpoint(each.ports.get(port.name) or _number(port)) for each in found]


def _number(port: Port) -> int:
    return int(port.target)
