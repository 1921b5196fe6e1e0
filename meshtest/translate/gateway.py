"""Gateways: listeners and routes of the proxies that their selectors name (`gateway.go`, `pilot/pkg/model/gateway.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.resources.resource import Resource
from meshtest.translate.authorization_policy import http_filters
from meshtest.translate.connection_manager import gateway_manager
from meshtest.translate.host import intersection, specificity
from meshtest.translate.route import Place, routes
from meshtest.translate.route_match import catches_all
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_host import route_configuration, virtual_host


@dataclass(frozen=True)
class Server:
    """One server of one Gateway, with the port on which the proxy's own Service hands its connections over."""

    gateway: str
    namespace: str
    spec: Mapping[str, Any]
    target: int

    @property
    def number(self) -> int:
        """The port as the Gateway has it."""
        return int(self.spec["port"]["number"])

    @property
    def bind(self) -> str:
        """The address it listens on."""
        return str(self.spec.get("bind", ""))

    @property
    def redirects_to_https(self) -> bool:
        """Whether each request is answered with a redirect to HTTPS."""
        return bool(self.spec.get("tls", {}).get("httpsRedirect"))

    @property
    def hosts(self) -> list[str]:
        """Its hosts, each behind the one namespace that it is for and a `/`, where it is for one."""
        pairs = [host.rpartition("/") for host in self.spec["hosts"]]
        if any(space == host == "*" for space, _, host in pairs):
            return ["*"]
        spaces = [{".": self.namespace, "*": ""}.get(space, space) for space, _, _ in pairs]
        return [f"{space}/{host}" if space else host for space, (_, _, host) in zip(spaces, pairs, strict=True)]

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts that VirtualServices of `namespace` may serve here."""
        pairs = [host.rpartition("/") for host in self.hosts]
        return [host for space, _, host in pairs if space in ("", namespace)]


def servers(snapshot: Snapshot, proxy: Proxy) -> dict[str, list[Server]]:
    """The servers that the proxy runs, by the name of their route configuration."""
    out: dict[str, list[Server]] = {}
    redirected: dict[tuple[int, str], str] = {}  # port and host to the address of the first server that redirects it
    for gateway in snapshot.of_kind("Gateway"):
        if gateway.spec.get("selector", {}).items() <= proxy.instance.labels.items():
            for server in _servers(snapshot, proxy, gateway):
                if "tls" in server.spec and not _first(server, redirected):
                    continue
                name = f"http.{server.target}" + (f".{server.bind}" if server.bind else "")
                out.setdefault(name, []).append(server)
    return out


def _first(server: Server, taken: dict[tuple[int, str], str]) -> bool:
    """Whether no server before, with TLS settings too, has one of its hosts at the same address and port; else istiod skips it."""
    keys = [(server.target, host) for host in server.hosts]
    if any(taken.get(key) == server.bind for key in keys):
        return False
    taken.update(dict.fromkeys(keys, server.bind))
    return True


def _servers(snapshot: Snapshot, proxy: Proxy, gateway: Resource) -> list[Server]:
    name = f"{gateway.namespace}/{gateway.name}"
    return [
        Server(name, gateway.namespace, spec, _target(snapshot, proxy, int(spec["port"]["number"])))
        for spec in gateway.spec["servers"]
    ]


def _target(snapshot: Snapshot, proxy: Proxy, number: int) -> int:
    """The port behind the gateway's Service port `number`; the number itself where no Service has it."""
    instance = proxy.instance
    for service in snapshot.topology.services:
        if (
            service.namespace == instance.namespace
            and service.selects(instance.labels)
            and (port := service.port(number))
        ):
            return port.target if isinstance(port.target, int) else instance.ports.get(port.target, number)
    return number


def listeners(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """One listener a port, by its name such as `0.0.0.0_8080`."""
    out = {}
    for route_name, found in servers(snapshot, proxy).items():
        bind, port = found[0].bind or "0.0.0.0", found[0].target
        manager = gateway_manager(f"outbound_{bind}_{port};", route_name, http_filters(snapshot, proxy))
        out[f"{bind}_{port}"] = {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": f"{bind}_{port}",
            "address": {"socket_address": {"address": bind, "port_value": port}},
            "filter_chains": [{"filters": [manager], "transport_socket_connect_timeout": "15s"}],
            "traffic_direction": "OUTBOUND",
            "max_connections_to_accept_per_socket_event": 1,
        }
    return out


def route_configurations(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """The routes of each HTTP port, by name such as `http.8080`."""
    return {name: _routes(snapshot, proxy, name, found) for name, found in servers(snapshot, proxy).items()}


def _routes(snapshot: Snapshot, proxy: Proxy, name: str, found: list[Server]) -> Json:
    hosts: dict[str, Json] = {}
    made: dict[tuple[str, str, str], list[Json]] = {}  # a VirtualService's routes are made once for each Gateway
    for server in found:
        for virtual_service in snapshot.virtual_services_for(server.gateway, proxy.namespace):
            resource = virtual_service.resource
            common = intersection(server.hosts_for(resource.namespace), virtual_service.hosts)
            key = (server.gateway, resource.namespace, resource.name)
            if common and key not in made:
                place = Place(snapshot, proxy, server.number, frozenset({server.gateway}), tls="tls" in server.spec)
                made[key] = routes(place, virtual_service)
            for host in common if made.get(key) else ():
                _add(hosts, host.lower(), server, made[key])
        if server.redirects_to_https:
            for host in (
                server.hosts
            ):  # istiod leaves the namespace before it, so that a host for one namespace has no redirect
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
