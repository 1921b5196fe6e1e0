"""Routes of the Gateway API: parents, listeners, hostnames and backends (`pilot/pkg/config/kube/gateway/conversion.go`)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.analysis.caller_headers import common_header, not_forwarded
from meshtest.analysis.catalogue import (
    BACKEND_NOT_GRANTED,
    HEADER_NOT_FORWARDED,
    HOSTNAMES_APART,
    HOSTNAMES_IGNORED,
    LISTENER_CLOSED,
    NOTHING_FOR_THE_REST,
    ROUTE_NOT_ALLOWED,
    SAME_MATCH_TWICE,
    UNKNOWN_BACKEND,
    UNKNOWN_CERTIFICATE,
    UNKNOWN_LISTENER,
    UNKNOWN_PARENT,
    WEIGHT_OF_ONE,
)
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import Host, listed
from meshtest.analysis.servers import secrets
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.manifest import GATEWAY_API
from meshtest.resources.resource import Resource
from meshtest.topology.service import DOMAIN
from meshtest.translate.host import matches

Spec = Mapping[str, Any]
# Which listeners take a kind of route (`generateSupportedKinds`).
_PROTOCOLS = {
    "HTTPRoute": ("HTTP", "HTTPS"),
    "GRPCRoute": ("HTTP", "HTTPS"),
    "TLSRoute": ("TLS",),
    "TCPRoute": ("TCP", "TLS"),
}


def check(world: World) -> Iterator[Finding]:
    """Each Gateway and each route of the Gateway API."""
    for gateway in world.gateway_api("Gateway"):
        yield from _gateway(world, gateway)
    for kind in _PROTOCOLS:
        for route in world.gateway_api(kind):
            yield from _route(world, route)


@dataclass(frozen=True)
class _Parent:
    """A parent of a route: a Gateway or a Service; None where there is no such."""

    spec: Spec
    path: Path
    gateway: Resource | None = None
    service: Host | None = None


def _route(world: World, route: Resource) -> Iterator[Finding]:
    parents = []
    for index, spec in enumerate(route.spec.get("parentRefs") or []):
        parent = _parent(world, route, spec, ("spec", "parentRefs", index))
        parents.append(parent)
        if parent.gateway is not None:
            yield from _attached(world, route, parent)
        elif parent.service is not None:
            yield from _to_service(route, parent)
        else:
            yield from _missing(world, route, parent)
    mesh = bool(parents) and all(parent.service is not None for parent in parents)
    if any(parent.service is not None for parent in parents) and route.spec.get("hostnames"):
        message = (
            "hostnames do not count for the Service as parent: inside the mesh the route takes all its calls. Write "
            "a route of its own for each parent"
        )
        yield HOSTNAMES_IGNORED.at(route, ("spec", "hostnames"), message)
    if mesh and route.kind == "HTTPRoute":
        yield from _in_mesh(route, parents)
    at_gateway = any(parent.gateway is not None for parent in parents)
    for index, rule in enumerate(route.spec.get("rules") or []):
        yield from _backends(world, route, rule, ("spec", "rules", index), at_gateway)
    yield from _same_matches(route)


def _parent(world: World, route: Resource, spec: Spec, path: Path) -> _Parent:
    kind, namespace, name = spec.get("kind", "Gateway"), spec.get("namespace") or route.namespace, spec.get("name", "")
    if kind == "Service":
        return _Parent(spec, path, service=world.hosts.get(f"{name}.{namespace}.{DOMAIN}"))
    found = [each for each in world.gateway_api("Gateway") if (each.namespace, each.name) == (namespace, name)]
    return _Parent(spec, path, gateway=found[0] if found and kind == "Gateway" else None)


def _missing(world: World, route: Resource, parent: _Parent) -> Iterator[Finding]:
    kind, name = parent.spec.get("kind", "Gateway"), parent.spec.get("name", "")
    namespace = parent.spec.get("namespace") or route.namespace
    if (
        kind not in ("Gateway", "Service")
        or world.is_wrong(GATEWAY_API, kind, namespace, name)
        or (kind == "Service" and world.assumed(route))
    ):
        return
    if kind == "Gateway":
        known = [f"{each.namespace}/{each.name}" for each in world.gateway_api("Gateway")]
        istio = [each for each in world.networking("Gateway") if each.name == name]
        if istio:
            hint = f"; {istio[0]} is Istio's own kind, to which only VirtualServices are bound"
        else:
            same = [each for each in known if each.endswith(f"/{name}")]
            near = same or difflib.get_close_matches(f"{namespace}/{name}", known, n=1, cutoff=0.6)
            hint = (
                f"; did you mean {near[0]}? (write its namespace)"
                if same
                else f"; did you mean {near[0]}?"
                if near
                else ". Create it, or name another one"
            )
    else:
        near_name = world.hosts.near(f"{name}.{namespace}.{DOMAIN}")
        hint = f"; did you mean {near_name.removesuffix(f'.{DOMAIN}')}?" if near_name else ". Name a Service"
    message = f"there is no {kind} {name} in {namespace}, so that the route is attached to nothing there{hint}"
    yield UNKNOWN_PARENT.at(route, (*parent.path, "name"), message)


def _to_service(route: Resource, parent: _Parent) -> Iterator[Finding]:
    port = parent.spec.get("port")
    if port and parent.service and parent.service.port(port) is None:
        message = (
            f"{parent.service.short} has no port {port}, so that the route takes no call; it has "
            f"{parent.service.listed_ports}. Write one of these, or none for all"
        )
        yield UNKNOWN_LISTENER.at(route, (*parent.path, "port"), message)


def _attached(world: World, route: Resource, parent: _Parent) -> Iterator[Finding]:
    gateway = parent.gateway
    listeners = list(gateway.spec.get("listeners") or []) if gateway else []
    section, port = parent.spec.get("sectionName"), parent.spec.get("port")
    named = [each for each in listeners if section in (None, each.get("name")) and port in (None, each.get("port"))]
    name = f"{gateway.namespace}/{gateway.name}" if gateway else ""
    if not named:
        what, field = (f"listener {section}", "sectionName") if section else (f"listener on port {port}", "port")
        have = listed([f"{each.get('name')} (port {each.get('port')})" for each in listeners], 8)
        message = (
            f"the Gateway {name} has no {what}{f' on port {port}' if section and port else ''}, so that the route is "
            f"attached to nothing there; it has {have}. Name one of these"
        )
        yield UNKNOWN_LISTENER.at(route, (*parent.path, field), message)
        return
    fitting = [
        each for each in named if each.get("protocol") in _PROTOCOLS[route.kind] and _kind_allowed(each, route.kind)
    ]
    if not fitting:
        first = named[0]
        message = (
            f"the listener {first.get('name')} of {name} ({first.get('protocol')}) takes no {route.kind}, so that "
            f"the route is not attached. Name a listener for {' or '.join(_PROTOCOLS[route.kind])}"
        )
        yield ROUTE_NOT_ALLOWED.at(route, parent.path, message)
        return
    allowed = [each for each in fitting if gateway is not None and _namespace_allowed(world, gateway, each, route)]
    if not allowed:
        rule = ((fitting[0].get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
        message = (
            f"the listener {fitting[0].get('name')} of {name} does not take routes of the namespace "
            f"{route.namespace} (allowedRoutes: from: {rule}), so that the route is "
            f"not attached and its hosts get 404. Set allowedRoutes.namespaces.from: All there, or a selector for this namespace"
        )
        yield ROUTE_NOT_ALLOWED.at(route, parent.path, message)
        return
    yield from _hostnames(route, name, allowed)


def _kind_allowed(listener: Spec, kind: str) -> bool:
    kinds = (listener.get("allowedRoutes") or {}).get("kinds")
    return not kinds or any(each.get("kind") == kind for each in kinds)


def _namespace_allowed(world: World, gateway: Resource, listener: Spec, route: Resource) -> bool:
    namespaces = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    rule = namespaces.get("from", "Same")
    if rule == "Same":
        return gateway.namespace == route.namespace
    if rule != "Selector":
        return bool(rule == "All")
    selector = namespaces.get("selector") or {}
    if selector.get("matchExpressions"):
        return True
    found = next((each for each in world.objects_of("Namespace") if each.name == route.namespace), None)
    labels = {"kubernetes.io/metadata.name": route.namespace, **(found.labels if found else {})}
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() or (found is None and not set(wanted) <= set(labels))


def _hostnames(route: Resource, name: str, listeners: Sequence[Spec]) -> Iterator[Finding]:
    given = route.spec.get("hostnames") or []
    names = [each.get("hostname") for each in listeners]
    if not given or any(not each for each in names):
        return
    apart = [index for index, host in enumerate(given) if not any(matches(host, str(each)) for each in names)]
    for index in apart if len(apart) < len(given) else apart[:1]:
        whole = (
            "the route is not attached and gets no request"
            if len(apart) == len(given)
            else "no request for it comes here"
        )
        message = (
            f"the listeners of {name} take {listed([str(each) for each in dict.fromkeys(names)])}, and not "
            f"{given[index]}, so that {whole}. Make the hostnames meet"
        )
        yield HOSTNAMES_APART.at(route, ("spec", "hostnames", index), message)


def _in_mesh(route: Resource, parents: Sequence[_Parent]) -> Iterator[Finding]:
    rules = route.spec.get("rules") or []
    names = listed([parent.service.short for parent in parents if parent.service])
    told: set[str] = set()
    for index, rule in enumerate(rules):
        for number, match in enumerate(rule.get("matches") or []):
            for place, header in enumerate(match.get("headers") or []):
                own = str(header.get("name", ""))
                if own.lower() not in told and not common_header(own):
                    told.add(own.lower())
                    path = ("spec", "rules", index, "matches", number, "headers", place)
                    yield HEADER_NOT_FORWARDED.at(route, path, not_forwarded(own, names))
    if rules and not any(_takes_all(match) for rule in rules for match in rule.get("matches") or [{}]):
        message = (
            f"calls of {names} that match none of these rules get 404: without the route they were served. "
            f"End with a rule without matches that sends them to {names}"
        )
        yield NOTHING_FOR_THE_REST.at(route, ("spec", "rules"), message)


def _takes_all(match: Spec) -> bool:
    path = match.get("path") or {}
    everything = path.get("type", "PathPrefix") == "PathPrefix" and path.get("value", "/") == "/"
    return everything and not any(match.get(field) for field in ("headers", "queryParams", "method"))


def _backends(world: World, route: Resource, rule: Spec, path: Path, at_gateway: bool) -> Iterator[Finding]:
    backends = rule.get("backendRefs") or []
    total = sum(int(each.get("weight", 1)) for each in backends)
    for index, each in enumerate(backends):
        share = int(each.get("weight", 1)) / total if total else 0
        effect = "its requests get 500" if share == 1 else f"{100 * share:.4g} % of the requests get 500"
        if route.kind in ("TCPRoute", "TLSRoute"):
            effect = "its connections are closed"
        yield from _backend(world, route, each, (*path, "backendRefs", index), at_gateway, effect)
    for index, each in enumerate(rule.get("filters") or []):
        if "requestMirror" in each:
            mirrored = each["requestMirror"].get("backendRef") or {}
            at = (*path, "filters", index, "requestMirror", "backendRef")
            yield from _backend(world, route, mirrored, at, at_gateway, "the mirrored copies are lost")
    yield from _weights(route, backends, path)


def _backend(world: World, route: Resource, spec: Spec, path: Path, at_gateway: bool, effect: str) -> Iterator[Finding]:
    if spec.get("kind", "Service") != "Service" or spec.get("group", ""):
        return
    name, namespace = spec.get("name", ""), spec.get("namespace") or route.namespace
    found = world.hosts.get(f"{name}.{namespace}.{DOMAIN}")
    if found is None:
        if not (world.assumed(route) and not world.hosts.near(f"{name}.{namespace}.{DOMAIN}")):
            near = world.hosts.near(f"{name}.{namespace}.{DOMAIN}").removesuffix(f".{DOMAIN}")
            hint = (
                f"; did you mean {near.removesuffix('.' + route.namespace)}?"
                if near
                else ". Name a Service that exists"
            )
            yield UNKNOWN_BACKEND.at(
                route, (*path, "name"), f"there is no Service {name} in {namespace}, so that {effect}{hint}"
            )
        return
    port = spec.get("port")
    if port and found.ports and found.port(port) is None:
        message = f"{found.short} has no port {port}, so that {effect}; it has {found.listed_ports}. Write one of the ports of the Service"
        yield UNKNOWN_BACKEND.at(route, (*path, "port"), message)
    if at_gateway and namespace != route.namespace and not _granted(world, route, namespace, "", "Service", name):
        message = (
            f"{found.short} is in the namespace {namespace}, and no ReferenceGrant there lets routes ({route.kind}) "
            f"of {route.namespace} refer to it, so that {effect}. "
            f"Add a ReferenceGrant in {namespace}"
        )
        yield BACKEND_NOT_GRANTED.at(route, (*path, "namespace"), message)


def _granted(world: World, referring: Resource, namespace: str, group: str, kind: str, name: str) -> bool:
    for grant in world.gateway_api("ReferenceGrant"):
        if grant.namespace != namespace:
            continue
        sources = grant.spec.get("from") or []
        targets = grant.spec.get("to") or []
        if any(
            (each.get("kind"), each.get("namespace")) == (referring.kind, referring.namespace) for each in sources
        ) and any(
            (each.get("group", ""), each.get("kind")) == (group, kind) and each.get("name") in (None, "", name)
            for each in targets
        ):
            return True
    return False


def _weights(route: Resource, backends: Sequence[Spec], path: Path) -> Iterator[Finding]:
    given = [int(each["weight"]) for each in backends if "weight" in each]
    if not given or len(given) == len(backends) or max(given) < 10:
        return
    total = sum(int(each.get("weight", 1)) for each in backends)
    for index, each in enumerate(backends):
        if "weight" not in each:
            message = (
                f"{each.get('name')} has no weight, which means 1, so that it gets {100 / total:.2g} % of the "
                "requests. Write the weight that is meant"
            )
            yield WEIGHT_OF_ONE.at(route, (*path, "backendRefs", index), message)


def _same_matches(route: Resource) -> Iterator[Finding]:
    """Rules are sorted by how narrow they are; of equal ones the first counts."""
    seen: dict[str, int] = {}
    for index, rule in enumerate(route.spec.get("rules") or []):
        for number, match in enumerate(rule.get("matches") or [{}]):
            key = json.dumps(_plain(match), sort_keys=True, default=str)
            first = seen.setdefault(key, index)
            if first != index:
                path: Path = ("spec", "rules", index, *(("matches", number) if rule.get("matches") else ()))
                message = (
                    f"the rule at line {route.line('spec', 'rules', first)} wants the same requests and counts, so "
                    "that this one gets none. Give the two different matches, or one rule"
                )
                yield SAME_MATCH_TWICE.at(route, path, message)


def _plain(match: Spec) -> Spec:
    path = match.get("path") or {}
    return {**match, "path": {"type": path.get("type", "PathPrefix"), "value": path.get("value", "/")}}


def _gateway(world: World, gateway: Resource) -> Iterator[Finding]:
    service = _own_service(world, gateway)
    for index, listener in enumerate(gateway.spec.get("listeners") or []):
        path = ("spec", "listeners", index)
        port = listener.get("port")
        if service is not None and service.ports and service.port(port) is None:
            message = (
                f"nobody reaches port {port}: the Service {service.short} of these proxies has {service.listed_ports} only. "
                f"Use one of these, or add the port to the Service"
            )
            yield LISTENER_CLOSED.at(gateway, (*path, "port"), message)
        for number, given in enumerate((listener.get("tls") or {}).get("certificateRefs") or []):
            yield from _certificate(world, gateway, given, (*path, "tls", "certificateRefs", number), port)


def _own_service(world: World, gateway: Resource) -> Host | None:
    """The Service that the Gateway names itself, where Istio does not deploy one."""
    for each in gateway.spec.get("addresses") or []:
        if each.get("type", "IPAddress") == "Hostname":
            name = str(each.get("value", ""))
            return world.hosts.get(name if "." in name else f"{name}.{gateway.namespace}.{DOMAIN}")
    return None


def _certificate(world: World, gateway: Resource, given: Spec, path: Path, port: int | None) -> Iterator[Finding]:
    if given.get("kind", "Secret") != "Secret":
        return
    name, namespace = str(given.get("name", "")), given.get("namespace") or gateway.namespace
    places = {each.namespace for each in secrets(world).get(name, [])}
    if namespace not in places:
        hint = f"it is in {listed(sorted(places))}" if places else "create it there"
        message = f"there is no Secret {name} in {namespace}, so that port {port} serves no TLS and connections are reset; {hint}"
        yield UNKNOWN_CERTIFICATE.at(gateway, (*path, "name"), message)
    elif namespace != gateway.namespace and not _granted(world, gateway, namespace, "", "Secret", name):
        message = (
            f"the Secret {name} is in {namespace}, and no ReferenceGrant there lets Gateways of {gateway.namespace} "
            f"refer to it, so that port {port} serves no TLS. "
            f"Add a ReferenceGrant in {namespace}"
        )
        yield UNKNOWN_CERTIFICATE.at(gateway, (*path, "namespace"), message)
