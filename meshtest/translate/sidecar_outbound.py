"""What a sidecar does with calls of its workload (`listener.go`, `httproute.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshtest.topology.service import SNIFFED, Port, Service
from meshtest.translate.cluster import BLACK_HOLE, PASSTHROUGH, outbound_name
from meshtest.translate.connection_manager import outbound_manager, tcp_proxy
from meshtest.translate.host import matches, most_specific, virtual_host_domains, wildcard, within
from meshtest.translate.route import Place, default_route, routes
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_host import catch_all, route_configuration, virtual_host
from meshtest.translate.virtual_service import MESH, VirtualService

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
HTTP_INSPECTOR: Json = {
    "name": "envoy.filters.listener.http_inspector",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"},
}
PLAIN_HTTP: Json = {"application_protocols": ["http/1.1", "h2c"], "transport_protocol": "raw_buffer"}


def listeners(snapshot: Snapshot) -> dict[str, Json]:
    """One listener for each port that speaks HTTP, one for each address of any other; and the one that catches the rest."""
    unknown = BLACK_HOLE if snapshot.topology.config.registry_only else PASSTHROUGH
    out: dict[str, Json] = {}
    for service in snapshot.topology.services:
        for port in service.ports:
            if port.speaks_http:
                out.setdefault(
                    f"0.0.0.0_{port.number}", _http("0.0.0.0", port.number, str(port.number), _otherwise(unknown))
                )
            elif service.address:
                cluster = outbound_name(port.number, "", service.hostname)
                out[f"{service.address}_{port.number}"] = _other(service, port, cluster)
    out["virtualOutbound"] = _virtual_outbound(unknown)
    return out


def _listener(address: str, port: int, **fields: object) -> Json:
    return {
        "@type": LISTENER,
        "name": f"{address}_{port}",
        "address": {"socket_address": {"address": address, "port_value": port}},
        "bind_to_port": False,
        "traffic_direction": "OUTBOUND",
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
        **fields,
    }


def _http(address: str, port: int, route_name: str, otherwise: Json) -> Json:
    manager = outbound_manager(f"outbound_{address}_{port};", route_name)
    chain: Json = {"filter_chain_match": PLAIN_HTTP, "filters": [manager], "transport_socket_connect_timeout": "15s"}
    return _listener(
        address, port, filter_chains=[chain], default_filter_chain=otherwise, listener_filters=[HTTP_INSPECTOR]
    )


def _otherwise(cluster: str) -> Json:
    return {"filter_chain_match": {}, "filters": [tcp_proxy(cluster)], "name": "PassthroughFilterChain"}


def _other(service: Service, port: Port, cluster: str) -> Json:
    tcp: Json = {"filters": [tcp_proxy(cluster)], "transport_socket_connect_timeout": "15s"}
    if port.protocol == SNIFFED:
        return _http(service.address, port.number, f"{service.hostname}:{port.number}", tcp)
    return _listener(service.address, port.number, filter_chains=[tcp])


def _virtual_outbound(unknown: str) -> Json:
    own: Json = {
        "name": "virtualOutbound-blackhole",
        "filter_chain_match": {"destination_port": 15001},
        "filters": [tcp_proxy(BLACK_HOLE, logged=False)],
    }
    return {
        "@type": LISTENER,
        "name": "virtualOutbound",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15001}},
        "filter_chains": [own, {"name": "virtualOutbound-catchall-tcp", "filters": [tcp_proxy(unknown)]}],
        "use_original_dst": True,
        "traffic_direction": "OUTBOUND",
        "max_connections_to_accept_per_socket_event": 1,
    }


def route_configurations(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """One for each port that speaks HTTP, shared by its Services; one for each sniffed port of a Service."""
    services = snapshot.topology.services
    shared = {port.number for service in services for port in service.ports if port.speaks_http}
    out = {}
    for number in sorted(shared):
        hosts = [*_virtual_hosts(snapshot, proxy, number), catch_all(snapshot.topology.config.registry_only)]
        out[str(number)] = route_configuration(str(number), hosts)
    for service in services:
        for port in service.ports:
            if port.protocol == SNIFFED and service.address:
                name = f"{service.hostname}:{port.number}"
                own = [
                    host for host in _virtual_hosts(snapshot, proxy, port.number) if service.hostname in host["domains"]
                ]
                out[name] = route_configuration(name, [{**host, "domains": ["*"]} for host in own[:1]])
    return out


@dataclass(frozen=True)
class _Group:
    """Routes that several names share: those of Services, and hosts that only a VirtualService knows."""

    hosts: list[str]
    services: list[Service]
    routes: list[Json]


def _virtual_hosts(snapshot: Snapshot, proxy: Proxy, number: int) -> list[Json]:
    place = Place(snapshot, proxy, number, frozenset({MESH}))
    on_port = {each.hostname: each for each in snapshot.topology.services if each.port(number)}
    groups = [*_of_rules(place, on_port)]
    ruled = {service.hostname for group in groups for service in group.services}
    for service in on_port.values():
        port = service.port(number)
        if port and port.http_or_sniffed and service.hostname not in ruled:
            groups.append(_Group([], [service], [default_route(place, service, port)]))
    return _distinct(place, groups)


def _of_rules(place: Place, on_port: Mapping[str, Service]) -> list[_Group]:
    found = place.snapshot.virtual_services_for(MESH, place.proxy.namespace)
    if place.port != 80:  # on port 80 rules may name hosts that are no Services
        found = [each for each in found if any(matches(host, name) for host in each.hosts for name in on_port)]
    owners = _owners(place.snapshot, found)
    groups = []
    for virtual_service in found:
        hosts, services = _separated(virtual_service, place.port, on_port, owners)
        made = routes(place, virtual_service)
        if made and (services or place.port == 80):
            groups.append(_Group(hosts, services, made))
    return groups


def _owners(snapshot: Snapshot, found: list[VirtualService]) -> dict[str, VirtualService]:
    """For each Service the VirtualService whose host names it most specifically, the first of equals."""
    by_host: dict[str, VirtualService] = {}
    for virtual_service in found:
        for host in virtual_service.hosts:
            by_host.setdefault(host, virtual_service)
    best = {service.hostname: most_specific(service.hostname, by_host) for service in snapshot.topology.services}
    return {name: by_host[host] for name, host in best.items() if host}


def _separated(
    virtual_service: VirtualService, number: int, on_port: Mapping[str, Service], owners: Mapping[str, VirtualService]
) -> tuple[list[str], list[Service]]:
    """The hosts of a rule that are no Services here, and the Services that it rules (`separateVSHostsAndServices`).

    A Service whose port carries no HTTP is known, but is not ruled.
    """
    hosts, services = [], []
    for host in sorted(virtual_service.hosts, key=wildcard):
        if host in on_port:
            services.append(on_port[host])
        elif not wildcard(host) or not any(within(name, host) for name in on_port):
            hosts.append(host)
        else:
            services += [
                each for name, each in on_port.items() if within(name, host) and owners.get(name) is virtual_service
            ]
    return hosts, [each for each in services if (port := each.port(number)) and port.http_or_sniffed]


def _distinct(place: Place, groups: list[_Group]) -> list[Json]:
    """Virtual hosts; a name or a domain that stands twice counts the first time only."""
    names: set[str] = set()
    taken: set[str] = set()
    out = []
    for group in groups:
        entries = [(host, [host]) for host in group.hosts]
        entries += [
            (each.hostname, virtual_host_domains(each.hostname, each.address, place.proxy.namespace))
            for each in group.services
        ]
        for name, domains in entries:
            left = [domain for domain in domains if domain.lower() not in taken]
            if name not in names and left:
                names.add(name)
                taken.update(domain.lower() for domain in left)
                out.append(virtual_host(f"{name}:{place.port}", left, group.routes))
    return out
