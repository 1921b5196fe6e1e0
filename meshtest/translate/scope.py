"""What a proxy can see of the mesh: istiod's SidecarScope (`pilot/pkg/model/sidecar.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from meshtest.topology.protocol import Protocol, parsed
from meshtest.topology.service import Port, Resolution, Service
from meshtest.translate.host import most_specific, wildcard
from meshtest.translate.registry import Registry
from meshtest.translate.sidecar import ImportedHosts, with_port
from meshtest.translate.virtual_service import VirtualService


@dataclass(frozen=True, eq=False)
class EgressListener:
    """One entry of a Sidecar's `egress`, with what it lets through; without a port it is for all ports that no other names.

    `bind` is empty where the addresses of the Services count; `captured` says whether connections are intercepted, and not made to it.
    """

    services: Sequence[Service]
    virtual_services: Sequence[VirtualService]
    port: Port | None = None
    bind: str = ""
    captured: bool = True

    @cached_property
    def owners(self) -> Mapping[str, VirtualService]:
        """For each Service the VirtualService whose host names it most specifically, the first of equals."""
        by_host: dict[str, VirtualService] = {}
        for virtual_service in self.virtual_services:
            for each in virtual_service.hosts:
                by_host.setdefault(each, virtual_service)
        wildcards = [each for each in by_host if wildcard(each)]
        out = {}
        for name in {service.hostname: None for service in self.services}:
            host = name if name in by_host else most_specific(name, wildcards)
            if host:
                out[name] = by_host[host]
        return out


@dataclass(frozen=True, eq=False)
class Scope:
    """What some proxies of a namespace see. `services` has one Service a host; `sidecar` is the Sidecar's spec, if one counts."""

    namespace: str
    egress: Sequence[EgressListener]
    services: Sequence[Service]
    sidecar: Mapping[str, Any]

    @cached_property
    def by_hostname(self) -> Mapping[str, Service]:
        """Services by their host."""
        return {service.hostname: service for service in self.services}

    @cached_property
    def headless(self) -> bool:
        """Whether a Service has no address, so that connections are taken at those of its instances."""
        return any(each.resolution is Resolution.NONE and not each.address for each in self.services)

    def listener_for(self, port: int) -> EgressListener | None:
        """The listener whose routes count on a port: the first that names it, or that is for all."""
        return next((each for each in self.egress if each.port is None or each.port.number == port), None)


def of_gateway(registry: Registry, namespace: str) -> Scope:
    """What a gateway sees: all that is exported to its namespace (`DefaultSidecarScopeForGateway`)."""
    return Scope(namespace, (), _one_each(_visible(registry, namespace)), {})


def of_sidecar(
    registry: Registry, namespace: str, rules: Sequence[VirtualService], sidecar: Mapping[str, Any]
) -> Scope:
    """What the proxies see for which a Sidecar counts; an empty one lets all through (`initSidecarScopeInternalIndexes`).

    `rules` are those bound to the mesh that the namespace sees.
    """
    seen = _visible(registry, namespace)
    egress = [_listener(each, namespace, seen, rules) for each in sidecar.get("egress") or [{"hosts": ["*/*"]}]]
    found = [service for each in egress for service in (*each.services, *_destinations(registry, each, namespace))]
    return Scope(namespace, egress, _one_each(found), sidecar)


def _visible(registry: Registry, namespace: str) -> list[Service]:
    """Those exported to the namespace by name come first (`servicesExportedToNamespace`)."""
    seen = [each for each in registry.services if each.visible_in(namespace)]
    return sorted(seen, key=lambda each: "*" in each.exported_to)


def _listener(
    entry: Mapping[str, Any], namespace: str, seen: Sequence[Service], rules: Sequence[VirtualService]
) -> EgressListener:
    hosts = ImportedHosts(entry["hosts"], namespace)
    port = _port(entry["port"]) if "port" in entry else None
    services = hosts.services(seen, _matched(port))
    bind, captured = entry.get("bind", ""), entry.get("captureMode") != "NONE"
    return EgressListener(services, hosts.virtual_services(rules), port, bind, captured)


def _port(given: Mapping[str, Any]) -> Port:
    number = given.get("number", 0)
    return Port(given.get("name", ""), number, number, parsed(given.get("protocol", "")))


def _matched(port: Port | None) -> int | None:
    """The port that Services must have to be let through (`needsPortMatch`)."""
    return port.number if port and port.number and port.protocol is not Protocol.HTTP_PROXY else None


def _destinations(registry: Registry, listener: EgressListener, namespace: str) -> Iterator[Service]:
    """Services to which the listener's rules send, let through or not (`collectImportedServices`)."""
    for rule in listener.virtual_services:
        for host, ports in rule.destinations(namespace).items():
            service = _best(registry.by_host.get(host, {}), namespace)
            if service is None:
                continue
            number = _matched(listener.port)
            if own := with_port(service, number) if number else _with_ports(service, ports):
                yield own


def _best(by_namespace: Mapping[str, Service], namespace: str) -> Service | None:
    """The Service of the namespace itself, else a visible one: Kubernetes' own, else the oldest (`pickBestVisibleNamespace`)."""
    if namespace in by_namespace:
        return by_namespace[namespace]
    seen = [each for each in by_namespace.values() if each.visible_in(namespace)]
    return min(seen, key=lambda each: each.entry, default=None)


def _with_ports(service: Service, numbers: frozenset[int]) -> Service | None:
    if 0 in numbers:  # a destination that names no port
        return service
    found = tuple(port for port in service.ports if port.number in numbers)
    return replace(service, ports=found) if found else None


def _one_each(found: Sequence[Service]) -> list[Service]:
    """One Service a host: Kubernetes' own rather than an entry's, with the ports of all that are alike (`appendSidecarServices`)."""
    out: dict[str, Service] = {}
    for service in found:
        known = out.setdefault(service.hostname, service)
        if known.entry and not service.entry:
            out[service.hostname] = service
        elif known is not service and _alike(known, service):
            numbers = {port.number for port in known.ports}
            added = tuple(port for port in service.ports if port.number not in numbers)
            out[service.hostname] = replace(known, ports=(*known.ports, *added)) if added else known
    return list(out.values())


def _alike(one: Service, other: Service) -> bool:
    """Whether the two are one Service in parts (`canMergeServices`)."""
    return (
        (one.namespace, one.resolution, one.entry) == (other.namespace, other.resolution, other.entry)
        and one.resource.labels == other.resource.labels
        and one.selector == other.selector
        and one.exported_to == other.exported_to
    )
