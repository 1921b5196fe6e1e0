"""The listeners of a gateway (`buildGatewayListeners` in `pilot/pkg/networking/core/gateway.go`)."""

from __future__ import annotations

from collections.abc import Sequence

from meshtest.topology.protocol import Protocol
from meshtest.translate import authorization_policy, downstream_tls
from meshtest.translate.cluster_name import server_name
from meshtest.translate.connection_manager import gateway_manager
from meshtest.translate.filter_chain import ANY_ADDRESS, Chain
from meshtest.translate.gateway_server import Listening, Server, merged
from meshtest.translate.host import matches, within
from meshtest.translate.network_filter import to_cluster, to_routes
from meshtest.translate.outbound_listener import LISTENER, TLS_INSPECTOR
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_service import Rule, Spec, VirtualService

_WITHIN_MESH = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")


def listeners(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """One listener an address and port, by its name such as `0.0.0.0_8080`; a port without anywhere to go has none."""
    found: dict[tuple[str, int], list[Chain]] = {}
    taken: dict[tuple[int, str], str] = {}  # port and server name to the address of the rule that has it
    for each in merged(snapshot, proxy).listening:
        made = _Chains(snapshot, proxy, each, taken).made()
        found.setdefault((each.bind or ANY_ADDRESS, each.port), []).extend(made)
    return {f"{bind}_{port}": _listener(bind, port, chains) for (bind, port), chains in found.items() if chains}


def _listener(bind: str, port: int, chains: Sequence[Chain]) -> Json:
    out: Json = {
        "@type": LISTENER,
        "name": f"{bind}_{port}",
        "address": {"socket_address": {"address": bind, "port_value": port}},
        "filter_chains": [_chain(each) for each in chains],
        "traffic_direction": "OUTBOUND",
        "max_connections_to_accept_per_socket_event": 1,
    }
    inspected = any(each.server_names or each.transport_socket for each in chains)
    return out | {"listener_filters": [TLS_INSPECTOR]} if inspected else out


def _chain(chain: Chain) -> Json:
    match = {} if chain.for_all else {"filter_chain_match": chain.match}
    return match | chain.as_json(transport_socket_connect_timeout="15s")


class _Chains:
    """The filter chains of servers that listen together."""

    def __init__(
        self, snapshot: Snapshot, proxy: Proxy, listening: Listening, taken: dict[tuple[int, str], str]
    ) -> None:
        self.snapshot, self.proxy, self.listening, self.taken = snapshot, proxy, listening, taken

    def made(self) -> list[Chain]:
        if self.listening.protocol.http:
            return [Chain([self._manager(self.listening.route_name)])]
        return [chain for server in self.listening.servers for chain in self._of(server)]

    def _manager(self, route_name: str) -> Json:
        bind = self.listening.bind or ANY_ADDRESS
        policies = authorization_policy.http_filters(self.snapshot, self.proxy)
        return gateway_manager(f"outbound_{bind}_{self.listening.port};", route_name, policies)

    def _of(self, server: Server) -> list[Chain]:
        if server.mode == "AUTO_PASSTHROUGH":
            return self._by_sni(server)
        if server.passes_through:
            return self._passed_through(server)
        if server.routes_http:
            filters, origin = [self._manager(server.route_name)], server.origin
        elif found := self._tcp(server):
            rule, owner = found
            filters, origin = self._filters(server, rule, owner), rule.origin
        else:
            return []
        if server.tls is None:
            return [Chain(filters, origin=origin)]
        socket = downstream_tls.transport_socket(server.tls)
        return [Chain(filters, server.server_names, transport_socket=socket, origin=origin)]

    def _tcp(self, server: Server) -> tuple[Rule, VirtualService] | None:
        """The first `tcp` rule that applies, and whose it is (`buildGatewayNetworkFiltersFromTCPRoutes`)."""
        for owner in self._bound(server):
            for rule in owner.tcp:
                found = rule.spec.get("match")
                if rule.spec.get("route") and (not found or any(_applies(server, match) for match in found)):
                    return rule, owner
        return None

    def _passed_through(self, server: Server) -> list[Chain]:
        """A chain for each match of each `tls` rule; a server name counts once (`buildGatewayNetworkFiltersFromTLSRoutes`)."""
        out = []
        for owner in self._bound(server):
            for rule in owner.tls:
                for number, match in enumerate(rule.spec.get("match", []) if rule.spec.get("route") else ()):
                    names = match.get("sniHosts", [])
                    if _applies(server, match) and self._first(server, names):
                        origin = {**rule.origin, "match": number}
                        out.append(Chain(self._filters(server, rule, owner), names, origin=origin))
        return out

    def _first(self, server: Server, names: Sequence[str]) -> bool:
        keys = [(self.listening.port, name) for name in names]
        if any(self.taken.get(key) == server.bind for key in keys):
            return False
        self.taken.update(dict.fromkeys(keys, server.bind))
        return True

    def _bound(self, server: Server) -> list[VirtualService]:
        """The VirtualServices of the Gateway with a host that is one of the server's."""
        found = self.snapshot.virtual_services_for(server.gateway, self.proxy.namespace)
        return [each for each in found if _meets(server, each)]

    def _filters(self, server: Server, rule: Rule, owner: VirtualService) -> list[Json]:
        name = f"{owner.resource.name}.{owner.resource.namespace}"
        routes = rule.spec["route"]
        filters = to_routes(self.snapshot, self.proxy, routes, server.number, server.protocol, name)
        return [*authorization_policy.tcp_filters(self.snapshot, self.proxy), *filters]

    def _by_sni(self, server: Server) -> list[Chain]:
        """A chain for each port of each Service, and each subset, by the name of its cluster (`builtAutoPassthroughFilterChains`)."""
        out = []
        for service in self.snapshot.scope(self.proxy).services:
            if service.external or not any(within(service.hostname, host) for host in server.server_names):
                continue
            rule = self.snapshot.rule(self.proxy, service.hostname)
            for port in service.ports:
                for subset in ("", *(each["name"] for each in (rule.subsets if rule else ()))):
                    if port.protocol is not Protocol.UDP:
                        cluster = server_name(port.number, subset, service.hostname)
                        filters = to_cluster(cluster, port.protocol, rule, subset)
                        out.append(Chain(filters, [cluster], application_protocols=_WITHIN_MESH))
        return out


def _applies(server: Server, match: Spec) -> bool:
    """Of a match only the port and the gateways count at a gateway (`l4SingleMatch`)."""
    gateways = match.get("gateways")
    return match.get("port", 0) in (0, server.number) and (not gateways or server.gateway in gateways)


def _meets(server: Server, virtual_service: VirtualService) -> bool:
    hosts = server.hosts_for(virtual_service.resource.namespace)
    return any(matches(own, host) for own in hosts for host in virtual_service.hosts)
