"""Which rule decides a request, and where it sends it: what a test wants to know before it drives load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.explain.connection import Connection, Tls
from meshtest.explain.destination import weights
from meshtest.explain.filter_chain import chain_for, seen
from meshtest.explain.headers import received, request_headers
from meshtest.explain.origin import noted
from meshtest.explain.path import normalized
from meshtest.explain.route import matches
from meshtest.explain.virtual_host import virtual_host_for
from meshtest.traffic.request import Request
from meshtest.translate.proxy_config import ProxyConfig

Json = Mapping[str, Any]

_TCP_PROXY = "envoy.filters.network.tcp_proxy"
_MANAGER = "envoy.filters.network.http_connection_manager"


@dataclass(frozen=True)
class Decision:
    """The rule that made a route (its number among the resource's `http` entries), where it stands, and the clusters it sends to with
    their weights (none if it answers itself)."""

    resource: str
    rule: int
    where: str
    clusters: Mapping[str, int]
    section: str = "http"


def decide(
    config: ProxyConfig, listener: str, host: str, request: Request, server_name: str | None = None
) -> Decision | None:
    """What decides a request at a listener (by name), with TLS for `server_name` unless that is None.

    None if no VirtualService made the route, there is none, or it cannot be told without sending the request.
    """
    sent = request_headers(request.method, host, request.path, request.headers)
    tls = () if server_name is None else (Tls(server_name, ("h2", "http/1.1")),)
    manager = _manager(config.listeners.get(listener, {}), Connection(None, "", 0, tls, sent))
    path = normalized(request.path)
    if manager is None or path is None:
        return None
    asked = received(sent, server_name is not None, bool(manager.get("use_remote_address"))).set(":path", path)
    found = _virtual_host(config, manager, host)
    if found is None or ("require_tls" in found and asked.value("x-forwarded-proto") != "https"):
        return None  # a redirect to HTTPS comes before all routes
    for route in found["routes"]:
        verdict, _ = matches(route, asked)
        if verdict is not False:
            return _decision(route) if verdict else None
    return None


def decide_connection(config: ProxyConfig, listener: str, port: int) -> Decision | None:
    """What decides a connection in the clear to a port that carries no HTTP, at a listener (by name); None if no VirtualService does."""
    found = config.listeners.get(listener, {})
    chain = chain_for(found, seen(found, Connection(None, "", port, (), None)))
    proxies = [each["typed_config"] for each in (chain or {}).get("filters", ()) if each["name"] == _TCP_PROXY]
    note = noted(chain or {})
    if not proxies or "rule" not in note:
        return None
    return Decision(note["resource"], int(note["rule"]), note["where"], _clusters(proxies[0]), "tcp")


def virtual_host_of(config: ProxyConfig, listener: str, host: str) -> Json | None:
    """The virtual host for requests in the clear at a listener (by name); None if it reads none, or has none for the host."""
    connection = Connection(None, "", 0, (), request_headers("GET", host, "/", ()))
    manager = _manager(config.listeners.get(listener, {}), connection)
    return _virtual_host(config, manager, host) if manager else None


def _virtual_host(config: ProxyConfig, manager: Json, host: str) -> Json | None:
    routes = manager.get("route_config") or config.routes.get(manager.get("rds", {}).get("route_config_name", ""))
    found = virtual_host_for(routes, host) if routes else None
    return found[0] if found else None


def _manager(listener: Json, connection: Connection) -> Json | None:
    chain = chain_for(listener, seen(listener, connection))
    filters = [each["typed_config"] for each in (chain or {}).get("filters", ()) if each["name"] == _MANAGER]
    return filters[0] if filters else None


def _decision(route: Json) -> Decision | None:
    note = noted(route)
    if "rule" not in note:
        return None
    return Decision(note["resource"], int(note["rule"]), note["where"], _clusters(route.get("route", {})))


def _clusters(action: Json) -> dict[str, int]:
    """Weights by cluster; a destination may stand there twice, with other headers."""
    clusters: dict[str, int] = {}
    for name, _, entry in weights(action):
        clusters[name] = clusters.get(name, 0) + int(entry.get("weight", 100))
    return clusters
