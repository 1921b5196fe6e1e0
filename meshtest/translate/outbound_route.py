"""The routes for what a workload calls (`httproute.go`, `route/route.go`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Resolution, Service
from meshtest.translate.filter_chain import ANY_ADDRESS
from meshtest.translate.host import alternative_names, matches, wildcard
from meshtest.translate.outbound_listener import egress_cluster
from meshtest.translate.route import Place, default_route, routes
from meshtest.translate.scope import EgressListener
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_host import catch_all, route_configuration, virtual_host
from meshtest.translate.virtual_service import MESH, VirtualService


def route_configurations(snapshot: Snapshot, proxy: Proxy, names: Sequence[str]) -> dict[str, Json]:
    """Those that listeners ask for: `9080` for all that speak HTTP on a port, `HOST:PORT` for a Service that is sniffed."""
    scope = snapshot.scope(proxy)
    made: dict[int, list[Json]] = {}
    out = {}
    for name in names:
        host, _, port = name.rpartition(":")
        number = int(port)
        listener = scope.listener_for(number)
        if listener is None:
            continue
        if number not in made:
            made[number] = _virtual_hosts(snapshot, proxy, listener, number)
        if host:
            own = [each for each in made[number] if host in each["domains"] or name in each["domains"]]
            hosts = [{**own[0], "domains": ["*"]}] if len(own) == 1 else own
        else:
            hosts = [*made[number], catch_all(egress_cluster(snapshot, scope))]
        out[name] = route_configuration(name, hosts)
    return out


@dataclass(frozen=True)
class _Group:
    """Routes that several names share: those of Services, and hosts that only a VirtualService knows."""

    hosts: Sequence[str]
    services: Sequence[Service]
    routes: Sequence[Json]
    port: int


def _virtual_hosts(snapshot: Snapshot, proxy: Proxy, listener: EgressListener, number: int) -> list[Json]:
    if listener.port and listener.port.protocol is Protocol.HTTP_PROXY:
        number = 0  # all Services, on all their ports
    place = Place(snapshot, proxy, number, frozenset({MESH}))
    on_port = _on_port(listener, number)
    groups = _of_rules(place, listener, on_port)
    ruled = {service.hostname for group in groups for service in group.services}
    for service in on_port.values():
        for port in service.ports if service.hostname not in ruled else ():
            if port.protocol.http or port.protocol is Protocol.SNIFFED:
                groups.append(_Group([], [service], [default_route(place, service, port)], port.number))
    return _distinct(place, groups)


def _on_port(listener: EgressListener, number: int) -> dict[str, Service]:
    """The listener's Services with this port alone, by their names in small letters; the last of a name counts."""
    out = {}
    for service in listener.services:
        if number == 0:
            out[service.hostname] = service
        elif port := service.port(number):
            name = service.hostname.lower()
            out[name] = replace(service, hostname=name, ports=(port,))
    return out


def _of_rules(place: Place, listener: EgressListener, on_port: Mapping[str, Service]) -> list[_Group]:
    found = [each for each in listener.virtual_services if each.http]
    if place.port != 80:  # on port 80 rules may name hosts that are no Services
        found = _naming(found, on_port)
    groups = []
    for virtual_service in found:
        made = routes(place, virtual_service)
        if not made:
            continue
        hosts, services = _separated(virtual_service, on_port, listener.owners)
        by_port: dict[int, list[Service]] = {}
        for service in services:
            for port in service.ports:
                if port.protocol.http or port.protocol is Protocol.SNIFFED:
                    by_port.setdefault(port.number, []).append(service)
        if not by_port and place.port == 80:
            by_port[80] = []
        groups += [_Group(hosts, by_port[number], made, number) for number in by_port]
    return groups


def _naming(rules: Sequence[VirtualService], on_port: Mapping[str, Service]) -> list[VirtualService]:
    """The rules of which a host is the name of a Service, or has one in common with it."""
    wildcards = [name for name in on_port if wildcard(name)]

    def named(host: str) -> bool:
        if host in on_port:
            return True
        return any(matches(host, name) for name in (on_port if wildcard(host) else wildcards))

    return [each for each in rules if any(named(host.lower()) for host in each.hosts)]


def _separated(
    virtual_service: VirtualService, on_port: Mapping[str, Service], owners: Mapping[str, VirtualService]
) -> tuple[list[str], list[Service]]:
    """The hosts of a rule that are no Services here, and the Services that it rules (`separateVSHostsAndServices`)."""
    hosts, services = [], []
    for host in sorted(virtual_service.hosts, key=wildcard):
        name = host.lower()
        if not wildcard(name):
            if name in on_port:
                services.append(on_port[name])
            else:
                hosts.append(host)
            continue
        found = [each for known, each in on_port.items() if matches(known, name)]
        services += [each for each in found if owners.get(each.hostname) is virtual_service]
        if not found:
            hosts.append(name)
    return hosts, services


def _distinct(place: Place, groups: Sequence[_Group]) -> list[Json]:
    """Virtual hosts; a name or a domain that stands twice counts the first time only."""
    full = {service.hostname for group in groups for service in group.services}
    names: set[str] = set()
    taken: set[str] = set()
    out = []
    for group in groups:
        entries: list[tuple[str, list[str], list[str]]] = [(host.lower(), [host.lower()], []) for host in group.hosts]
        entries += [(each.hostname, *service_domains(each, place.proxy.namespace)) for each in group.services]
        for host, domains, expanded in entries:
            name = f"{host}:{group.port}"
            if name in names:
                continue
            names.add(name)
            # A short form of one Service's name must not take the full name of another.
            left = [each for each in domains if each.lower() not in taken and not (each in expanded and each in full)]
            taken.update(each.lower() for each in left)
            if place.port == 0:  # a proxy for all ports: only port 80 goes without saying
                with_port = [] if host not in full else [f"{each}:{group.port}" for each in left]
                left = with_port + (left if group.port == 80 else [])
            if left:
                out.append(virtual_host(name, left, [*group.routes]))
    return out


def service_domains(service: Service, namespace: str) -> tuple[list[str], list[str]]:
    """The names by which a proxy in `namespace` may call a Service, and those of them that are forms of its own name."""
    forms = alternative_names(service.hostname, namespace)
    names = [service.hostname, *forms]
    if service.resolution is Resolution.NONE and not service.entry:
        names += [f"*.{name}" for name in names]  # the pods of a headless Service have names of their own
    if service.address not in ("", ANY_ADDRESS):
        names.append(service.address)
    return [f"[{name}]" if ":" in name else name for name in names], forms  # an IPv6 address as Host headers have it
