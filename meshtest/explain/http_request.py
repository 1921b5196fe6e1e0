"""What a proxy does with a request: policies, virtual host, route, and what the route does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meshtest.explain.absence import Rule, absent_at_gateway, absent_in_sidecar
from meshtest.explain.applied import abort, aborted_with, applied, preflight
from meshtest.explain.condition import Condition
from meshtest.explain.connection import Connection
from meshtest.explain.destination import weights
from meshtest.explain.headers import Headers, received
from meshtest.explain.hop import End
from meshtest.explain.origin import Origin, origin
from meshtest.explain.path import normalized
from meshtest.explain.rewrite import forwarded, location
from meshtest.explain.route import matches
from meshtest.explain.virtual_host import virtual_host_for
from meshtest.translate.gateway_server import merged

if TYPE_CHECKING:
    from meshtest.explain.arrival import Arrival

Json = Mapping[str, Any]


class HttpRequest:
    """A request in an HTTP connection manager."""

    def __init__(self, arrival: Arrival, manager: Json, connection: Connection) -> None:
        self.arrival, self.hop, self.snapshot = arrival, arrival.hop, arrival.snapshot
        self.proxy, self.manager, self.connection = arrival.proxy, manager, connection

    def route(self) -> None:
        """Find the route, and go on from there."""
        self.arrival.note_server()
        request = self._read()
        if request is None:
            return
        self.connection = replace(self.connection, request=request)
        for each in self.manager["http_filters"]:
            policies = each["typed_config"] if each["name"] == "envoy.filters.http.rbac" else {}
            if self.arrival.refused(policies, self.connection, 403):
                return
        self._look_up(request)

    def _read(self) -> Headers | None:
        """The request as the proxy sees it; None if it has ended here."""
        request = self.connection.request
        if request is None or self.connection.tls:
            what = "TLS" if self.connection.tls else "other bytes"
            self.hop.end = End(False, f"the listener reads HTTP in the clear; {what} are answered 400", 400)
            return None
        source = self.connection.source
        peer = source.address if source else ""
        at_edge = bool(self.manager.get("use_remote_address"))
        request = received(request, self.connection.decrypted, at_edge, peer)
        if None in request.values(":path"):
            self.hop.end = End(
                None, "the path cannot be told: it is what the regular expression of a rewrite makes of it"
            )
            return None
        path = normalized(request.value(":path"))
        if path is None:
            says = (
                f"the path {request.value(':path')} is refused: it holds what must be percent-encoded, or a zero byte"
            )
            self.hop.end = End(False, says, 400)
            return None
        if path != request.value(":path"):
            self.hop.path = path
        return request.set(":path", path)

    def _look_up(self, request: Headers) -> None:
        name = self.manager.get("rds", {}).get("route_config_name", "")
        routes = self.arrival.config.routes[name] if name else self.manager["route_config"]
        found = virtual_host_for(routes, request.value(":authority"))
        virtual_host, domain = found or ({}, "")
        if self._inbound:
            self._act(virtual_host["routes"][0], None, request)
            return
        self.hop.virtual_host, self.hop.domain = virtual_host.get("name", ""), domain
        self._note_absent(name, request.value(":authority"), virtual_host, domain)
        if not found:
            known = [each for host in routes["virtual_hosts"] for each in host["domains"]]
            says = f"no rule is for the host {request.value(':authority')}; there are rules for {_listed(known)}"
            self.hop.end = End(False, says, 404, "NR")
        elif "require_tls" in virtual_host and request.value("x-forwarded-proto") != "https":
            to = f"https://{request.value(':authority')}{request.value(':path')}"
            self.hop.end = End(True, f"redirect to {to} (httpsRedirect)", 301)
        else:
            self._choose(virtual_host["routes"], request)

    def _note_absent(self, name: str, authority: str, virtual_host: Json, domain: str) -> None:
        if self.proxy.gateway:
            servers = merged(self.snapshot, self.proxy).by_route.get(name, [])
            if not self.hop.servers:
                self.hop.servers = tuple(
                    f"{each.resource} spec.servers[{each.index}] at {each.where}" for each in servers
                )
            found = absent_at_gateway(self.snapshot, self.proxy, servers, authority, domain)
        else:
            port = self.connection.port
            found = absent_in_sidecar(self.snapshot, self.proxy, port, authority, virtual_host)
        self.hop.absent.extend(found)

    def _choose(self, routes: Sequence[Json], request: Headers) -> None:
        for route in routes:
            verdict, hindering = matches(route, request)
            made_of = origin(self.snapshot, route)
            own = str(route.get("name", ""))
            name = str(made_of) if made_of else _OWN_ROUTES.get(own, own)
            where = made_of.where if made_of else ""
            if verdict is False:
                self.hop.passed.append(_passed(name, made_of, hindering))
                continue
            self.hop.rule = Rule(name, where)
            if verdict is None:
                self.hop.end = End(None, f"whether this rule takes it cannot be told: {'; '.join(map(str, hindering))}")
                return
            self._act(route, made_of, request)
            return
        says = "no rule takes it" if routes else "no VirtualService is bound to this server"
        self.hop.end = End(False, says, 404, "NR")

    @property
    def _inbound(self) -> bool:
        """Whether the workload's own sidecar hands the request in: one route for all, and only policies matter."""
        return "rds" not in self.manager

    def _act(self, route: Json, made_of: Origin | None, request: Headers) -> None:
        if not self._inbound:
            self.hop.applied += applied(route, made_of, request)
        aborted, how = abort(route)
        if aborted >= 1:
            self.hop.end = End(True, f"answered {aborted_with(how)} by a fault", int(how.get("http_status", 200)), "FI")
        elif answer := preflight(route, request):
            self.hop.end = End(True, f"a CORS preflight, answered here: {answer}", 200)
        elif "redirect" in route:
            self._redirect(route, request)
        elif "direct_response" in route:
            self._answer(route)
        else:
            self._forward(route, request)

    def _redirect(self, route: Json, request: Headers) -> None:
        redirect = route["redirect"]
        status = _STATUSES[redirect.get("response_code", "MOVED_PERMANENTLY")]
        to = location(route["match"], redirect, request) or "what its regular expression makes of the path"
        self.hop.end = End(True, f"redirect to {to}", status)

    def _answer(self, route: Json) -> None:
        answer = route["direct_response"]
        blocked = route.get("name") == "block_all"
        body = answer.get("body", {}).get("inline_string", "")
        says = (
            "the host is not known to this proxy, and only what is known is let out (REGISTRY_ONLY)"
            if blocked
            else f"answered by the rule{f': {body[:60]}' if body else ''}"
        )
        self.hop.end = End(not blocked, says, answer["status"])

    def _forward(self, route: Json, request: Headers) -> None:
        action = route["route"]
        for cluster, share, entry in weights(action):
            sent = forwarded(request, route["match"], action, [entry, route] if entry else [route])
            sent = sent.set("x-envoy-attempt-count", "1")
            connection = replace(self.connection, request=sent)
            self.hop.onward.append(self.arrival.onward(cluster, share, connection, sent.value(":authority")))


_STATUSES = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
_OWN_ROUTES = {
    "default": "no VirtualService: the Service's own route",
    "allow_any": "no VirtualService: any host is let out (ALLOW_ANY)",
    "block_all": "no VirtualService: unknown hosts are blocked (REGISTRY_ONLY)",
}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _passed(name: str, made_of: Origin | None, hindering: Sequence[Condition]) -> Rule:
    where = made_of.at_match(*hindering[0].field) if made_of else ""
    return Rule(name, where, "; ".join(map(str, hindering)))
