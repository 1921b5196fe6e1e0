"""Rules that say something about a host and never reach the proxy that is asked, or are never reached there, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.explain.origin import Origin, noted
from meshtest.explain.virtual_host import host_of
from meshtest.resources.resource import Resource
from meshtest.topology.service import Service
from meshtest.translate.gateway_server import Server
from meshtest.translate.host import intersection, most_specific
from meshtest.translate.outbound_route import service_domains
from meshtest.translate.route import Place, hindrance
from meshtest.translate.route_match import catches_all, route_match
from meshtest.translate.snapshot import Proxy, Snapshot
from meshtest.translate.virtual_service import MESH, VirtualService

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule, or a whole VirtualService, that was looked at: where it stands, and why it does not decide (empty if it does)."""

    name: str
    where: str
    reason: str = ""


def absent_at_gateway(
    snapshot: Snapshot, proxy: Proxy, servers: Sequence[Server], authority: str, domain: str
) -> Iterator[Rule]:
    """Of the rules for a host those that do not count at some servers of a gateway; `domain` is the one whose rules do."""
    host = host_of(authority)
    for owner in _for(snapshot, [host]):
        bound = [server for server in servers if server.gateway in owner.gateways]
        if not bound:
            yield whole(owner, ("spec", "gateways"), bound_elsewhere(snapshot, owner, servers))
        elif not owner.visible_in(proxy.namespace):
            yield whole(owner, ("spec", "exportTo"), hidden(proxy))
        else:
            yield from _at_servers(snapshot, proxy, bound, owner, host, domain)


def _at_servers(
    snapshot: Snapshot, proxy: Proxy, bound: Sequence[Server], owner: VirtualService, host: str, domain: str
) -> Iterator[Rule]:
    namespace = owner.resource.namespace
    taken = [(server, intersection(server.hosts_for(namespace), owner.hosts)) for server in bound]
    own = [(server, best) for server, hosts in taken if (best := most_specific(host, map(str.lower, hosts)))]
    if not own:
        at = ", ".join(f"{server.resource} at {server.where}" for server in bound)
        yield whole(owner, ("spec", "hosts"), f"{at} takes no host of it for the namespace {namespace}")
        return
    fitting = [server for server, best in own if best == domain or not domain]
    if fitting:
        server = fitting[0]
        place = Place(snapshot, proxy, server.number, frozenset({server.gateway}), home=namespace)
        yield from _rules(place, owner)
    else:
        yield whole(
            owner, ("spec", "hosts"), f"its host {own[0][1]} is less specific than {domain}, whose rules count alone"
        )


def absent_in_sidecar(
    snapshot: Snapshot, proxy: Proxy, port: int, authority: str, virtual_host: Json | None
) -> Iterator[Rule]:
    """Of the rules for a host those that do not count for calls that leave through a sidecar by a port."""
    host, scope = host_of(authority), snapshot.scope(proxy)
    listener = scope.listener_for(port)
    services = listener.services if listener else []
    named = [each for each in services if host in (name.lower() for name in service_domains(each, proxy.namespace)[0])]
    deciding = {
        noted(route).get("root", noted(route).get("resource")) for route in (virtual_host or {}).get("routes", ())
    }
    for owner in _for(snapshot, [host, *(each.hostname.lower() for each in named)]):
        if MESH not in owner.gateways:
            yield whole(owner, ("spec", "gateways"), bound_elsewhere(snapshot, owner, ()))
        elif not owner.visible_in(proxy.namespace):
            yield whole(owner, ("spec", "exportTo"), hidden(proxy))
        elif listener is None or owner not in listener.virtual_services:
            yield whole(owner, ("spec", "hosts"), "the Sidecar of this workload lets none of its hosts through")
        else:
            place = Place(snapshot, proxy, port, frozenset({MESH}))
            found = [*_rules(place, owner)]
            yield from found
            if str(owner.resource) not in deciding and not (found and len(found) >= len(_matches(owner))):
                yield whole(owner, ("spec", "hosts"), _not_the_one(owner, deciding, named, port))


def _for(snapshot: Snapshot, names: Sequence[str]) -> list[VirtualService]:
    """The VirtualServices with `http` rules for one of these hosts."""
    return [
        each
        for each in snapshot.virtual_services
        if each.resource.spec.get("http") and any(most_specific(name, map(str.lower, each.hosts)) for name in names)
    ]


def whole(owner: VirtualService, path: tuple[str, ...], reason: str) -> Rule:
    """A VirtualService that does not count, for what it says at `path`."""
    return Rule(str(owner.resource), owner.resource.where(*path), reason)


def bound_elsewhere(snapshot: Snapshot, owner: VirtualService, servers: Sequence[Server]) -> str:
    """Why a VirtualService does not count at servers, or (without any) in a sidecar."""
    here = ", ".join(sorted({server.gateway for server in servers})) or f"`{MESH}`"
    if not owner.resource.spec.get("gateways"):
        return f"without `gateways` it counts for calls within the mesh only, not at {here}"
    known = {f"{each.namespace}/{each.name}" for each in snapshot.of_kind("Gateway")} | {MESH}
    bound = ", ".join(name if name in known else f"{name} (which does not exist)" for name in sorted(owner.gateways))
    return f"it is bound to {bound}, not to {here}"


def hidden(proxy: Proxy) -> str:
    """Why a VirtualService that is not exported does not count."""
    return f"it is not exported to the namespace {proxy.namespace} of this proxy"


def _not_the_one(owner: VirtualService, deciding: set[Any], named: Sequence[Service], port: int) -> str:
    others = ", ".join(sorted(str(each) for each in deciding if each))
    if others:
        return f"{others} has the host: on the mesh one VirtualService counts for a host, the most specific, then the oldest, then by name"
    if not named and port != 80:
        return f"no Service has this host on port {port}, and only on port 80 rules may be for hosts that are none"
    return f"it takes no call to this host on port {port}"


def _matches(owner: VirtualService) -> list[Any]:
    return [match for rule in owner.http for match in rule.spec.get("match") or [None]]


_HINDRANCES = {
    "port": "it is for port {wanted}, and this is {port}",
    "gateways": "it is for {wanted}, and this is {gateways}",
    "sourceLabels": "it is for callers with the labels {wanted}; this one has {labels}",
    "sourceNamespace": "it is for callers in the namespace {wanted}; this one is in {namespace}",
}


def _rules(place: Place, owner: VirtualService) -> Iterator[Rule]:
    """The matches that never come to a place, and what stands behind one that catches all."""
    yield from _lost_delegates(owner)
    behind: Origin | None = None
    for rule in owner.http:
        found = rule.spec.get("match") or [None]
        for number, match in enumerate(found):
            here = Origin(owner, rule, None if match is None else number)
            if field := hindrance(place, match):
                yield Rule(str(here), here.at_match(field), hindered(place, field, (match or {})[field]))
            elif behind is not None:
                reason = f"{behind} at {behind.where} takes all requests, and stands before it"
                yield Rule(str(here), here.where, reason)
            elif catches_all(route_match(match)):
                behind = here


def hindered(place: Place, field: str, wanted: Any) -> str:
    """Why a match does not count at a place: what its field wants, and what is there."""
    labels = dict(place.proxy.instance.labels)
    return _HINDRANCES[field].format(
        wanted=", ".join(wanted) if isinstance(wanted, list) else dict(wanted) if field == "sourceLabels" else wanted,
        port=place.port,
        gateways=", ".join(sorted(place.gateways)),
        labels=labels,
        namespace=place.proxy.namespace,
    )


def _lost_delegates(owner: VirtualService) -> Iterator[Rule]:
    """Rules that leave it to a delegate of which nothing has come."""
    resource: Resource = owner.resource
    for number, rule in enumerate(resource.spec["http"]):
        named = rule.get("delegate")
        if named is None or any(each.root is not None and each.root.number == number for each in owner.http):
            continue
        name = f"{named.get('namespace') or resource.namespace}/{named.get('name', '')}"
        reason = (
            f"of its delegate {name} no rule is left: there is none of this name without hosts, it is not exported "
            f"to {resource.namespace}, or none of its matches lies within this one's"
        )
        where = resource.where("spec", "http", number, "delegate")
        yield Rule(f"{resource} spec.http[{number}]", where, reason)
