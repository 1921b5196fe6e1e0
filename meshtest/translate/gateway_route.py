"""The routes of a gateway (`buildGatewayHTTPRouteConfig` in `pilot/pkg/networking/core/gateway.go`)."""

from __future__ import annotations

from collections.abc import Sequence

from meshtest.translate.gateway_server import Server, merged
from meshtest.translate.host import intersection, specificity
from meshtest.translate.route import Place, routes
from meshtest.translate.route_match import catches_all
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_host import route_configuration, virtual_host


def route_configurations(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """By name: `http.8080` for all HTTP in the clear on a port, `https.443.NAME.GATEWAY.NAMESPACE` for each HTTPS server."""
    return {name: _routes(snapshot, proxy, name, found) for name, found in merged(snapshot, proxy).by_route.items()}


def _routes(snapshot: Snapshot, proxy: Proxy, name: str, found: Sequence[Server]) -> Json:
    hosts: dict[str, Json] = {}
    made: dict[tuple[str, str, str], list[Json]] = {}  # a VirtualService's routes are made once for each Gateway
    for server in found:
        for virtual_service in snapshot.virtual_services_for(server.gateway, proxy.namespace):
            resource = virtual_service.resource
            common = intersection(server.hosts_for(resource.namespace), virtual_service.hosts)
            key = (server.gateway, resource.namespace, resource.name)
            if common and key not in made:
                place = Place(snapshot, proxy, server.number, frozenset({server.gateway}), tls=server.tls is not None)
                made[key] = routes(place, virtual_service)
            for host in common if made.get(key) else ():
                _add(hosts, host.lower(), server, made[key])
        if server.redirects_to_https:
            # istiod leaves the namespace before a host, so that a host for one namespace has no redirect
            for host in server.hosts:
                _add(hosts, host.lower(), server, [])
    if not hosts:
        return route_configuration(name, [virtual_host(f"blackhole:{found[0].number}", ["*"], [])])
    return route_configuration(name, [_in_order(each) for each in _collapsed(hosts)])


def _add(hosts: dict[str, Json], host: str, server: Server, made: list[Json]) -> None:
    if host in hosts:
        hosts[host]["routes"] += made
    else:
        hosts[host] = virtual_host(f"{host}:{server.number}", [host], list(made))
    if server.redirects_to_https:
        hosts[host]["require_tls"] = "ALL"


def _collapsed(hosts: dict[str, Json]) -> list[Json]:
    """Hosts with the very same routes become one virtual host, named after the most specific."""
    out: dict[tuple[object, ...], Json] = {}
    for host in sorted(hosts, key=specificity):
        entry = hosts[host]
        key = (entry.get("require_tls"), *(id(route) for route in entry["routes"]))
        if key in out:
            out[key]["domains"] += entry["domains"]
        else:
            out[key] = entry
    return list(out.values())


def _in_order(host: Json) -> Json:
    """Routes that catch all go behind the others."""
    return {**host, "routes": sorted(host["routes"], key=lambda route: catches_all(route["match"]))}
