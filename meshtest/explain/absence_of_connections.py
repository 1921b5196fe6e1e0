"""`tcp` and `tls` rules that say something about a connection and do not decide it, and why; `http` rules where nothing reads HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from meshtest.explain.absence import Rule, bound_elsewhere, hidden, hindered, whole
from meshtest.explain.address import service_named
from meshtest.explain.connection import Connection
from meshtest.explain.origin import Origin
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Service
from meshtest.translate.gateway_server import Server, merged
from meshtest.translate.host import matches
from meshtest.translate.route import Place, hindrance
from meshtest.translate.snapshot import Proxy, Snapshot
from meshtest.translate.virtual_service import MESH, VirtualService

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """A connection at a proxy: what its TLS asks for (empty if nothing is seen of it), and the rule that decides, if one does."""

    connection: Connection
    server_name: str
    deciding: Origin | None


def absent_for_connection(snapshot: Snapshot, proxy: Proxy, question: Question) -> Iterator[Rule]:
    """The rules at a gateway's port, or for the Service that a workload calls."""
    connection = question.connection
    if proxy.gateway:
        listening = [each for each in merged(snapshot, proxy).listening if each.port == connection.port]
        servers = [server for each in listening for server in each.servers if not server.routes_http]
        yield from _at_gateway(snapshot, proxy, servers, question)
        return
    service = service_named(snapshot, proxy.namespace, connection.host) if connection.host else None
    port = service.port(connection.port) if service else None
    if service and port:
        yield from _for_service(snapshot, proxy, service, port, question)


def _at_gateway(snapshot: Snapshot, proxy: Proxy, servers: Sequence[Server], question: Question) -> Iterator[Rule]:
    """The rules bound to the Gateways of servers that read no requests."""
    for server in servers:
        section = "tls" if server.passes_through else "tcp"
        place = Place(snapshot, proxy, server.number, frozenset({server.gateway}))
        hosts = [host.rpartition("/")[2] for host in server.hosts]
        for owner in snapshot.virtual_services:
            if not any(matches(own, host) for own in hosts for host in owner.hosts):
                continue
            if server.gateway not in owner.gateways:
                if owner.resource.spec.get(section):
                    yield whole(owner, ("spec", "gateways"), bound_elsewhere(snapshot, owner, [server]))
            elif not owner.visible_in(proxy.namespace):
                yield whole(owner, ("spec", "exportTo"), hidden(proxy))
            else:
                yield from _rules(place, owner, section, question, f"this server's protocol is {server.protocol.value}")


def _for_service(snapshot: Snapshot, proxy: Proxy, service: Service, port: Port, question: Question) -> Iterator[Rule]:
    """The rules for a Service whose port speaks no HTTP, from a workload."""
    section = "tls" if port.protocol.tls else "tcp"
    place = Place(snapshot, proxy, port.number, frozenset({MESH}))
    for owner in snapshot.virtual_services:
        if not any(matches(host, service.hostname) for host in owner.hosts):
            continue
        if MESH not in owner.gateways:
            yield whole(owner, ("spec", "gateways"), bound_elsewhere(snapshot, owner, ()))
        elif not owner.visible_in(proxy.namespace):
            yield whole(owner, ("spec", "exportTo"), hidden(proxy))
        else:
            sniffed = port.protocol is Protocol.SNIFFED
            speaks = f"the port {port.name or port.number} speaks {port.protocol.value}"
            yield from _rules(place, owner, section, question, "this connection carries no HTTP" if sniffed else speaks)


def _rules(place: Place, owner: VirtualService, section: str, question: Question, speaks: str) -> Iterator[Rule]:
    for other in {"http", "tcp", "tls"} - {section}:
        if owner.resource.spec.get(other):
            yield whole(owner, ("spec", other), f"its `{other}` rules do not count here: {speaks}")
    behind = False
    for rule in owner.tcp if section == "tcp" else owner.tls:
        for number, match in enumerate(rule.spec.get("match") or [None]):
            here = Origin(owner, rule, None if match is None else number)
            if question.deciding and question.deciding.rule is rule and question.deciding.match in (None, here.match):
                behind = True
            elif field := _hindrance(place, match or {}):
                yield Rule(str(here), here.at_match(field), hindered(place, field, (match or {})[field]))
            elif wrong := _unlike(match or {}, question):
                yield Rule(str(here), here.at_match(wrong[0]), wrong[1])
            elif behind and question.deciding:
                yield Rule(str(here), here.where, f"{question.deciding} at {question.deciding.where} stands before it")


def _hindrance(place: Place, match: Json) -> str:
    """The first field that keeps a match from a place; of the source a gateway looks at nothing (`l4SingleMatch`)."""
    fields = ("port", "gateways") if place.proxy.gateway else ("port", "gateways", "sourceLabels", "sourceNamespace")
    return next((each for each in fields if each in match and hindrance(place, {each: match[each]})), "")


def _unlike(match: Json, question: Question) -> tuple[str, str] | None:
    """The field of a match that the connection is unlike, and how."""
    names = match.get("sniHosts")
    if names and not any(matches(name, question.server_name) for name in names if question.server_name):
        return "sniHosts", f"sniHosts {', '.join(names)}: the client asks for {question.server_name or 'no name'}"
    subnets, address = match.get("destinationSubnets", ()), question.connection.address
    if subnets and not any(address and ip_address(address) in ip_network(each, strict=False) for each in subnets):
        where = address or "an address that is not known here"
        return "destinationSubnets", f"destinationSubnets {', '.join(subnets)}: the destination is {where}"
    return None
