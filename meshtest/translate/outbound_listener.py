"""The listeners for what a workload calls (`buildSidecarOutboundListeners` in `listener.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from meshtest.resources.name import address
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Resolution, Service
from meshtest.translate.cluster_name import BLACK_HOLE, PASSTHROUGH, outbound_name
from meshtest.translate.connection_manager import outbound_manager
from meshtest.translate.filter_chain import ANY_ADDRESS, PLAIN_HTTP, Chain
from meshtest.translate.network_filter import tcp_proxy
from meshtest.translate.scope import EgressListener, Scope
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.tcp_rule import Destination, chains
from meshtest.translate.virtual_service import VirtualService

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
LOOPBACK = "127.0.0.1"
_INSPECTORS = "envoy.extensions.filters.listener"
HTTP_INSPECTOR: Json = {
    "name": "envoy.filters.listener.http_inspector",
    "typed_config": {"@type": f"type.googleapis.com/{_INSPECTORS}.http_inspector.v3.HttpInspector"},
}
TLS_INSPECTOR: Json = {
    "name": "envoy.filters.listener.tls_inspector",
    "typed_config": {"@type": f"type.googleapis.com/{_INSPECTORS}.tls_inspector.v3.TlsInspector"},
}
_RESERVED = (15001, 15006, 15021, 15090)  # ports on which each sidecar listens for itself, on all addresses
_SERVER_FIRST = (Protocol.MONGO, Protocol.MYSQL)


def listeners(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """One for each port that speaks HTTP, one for each address of any other; and `virtualOutbound`, which catches the rest."""
    scope = snapshot.scope(proxy)
    made = _Listeners(snapshot, proxy)
    for egress in scope.egress:
        made.add_all(egress)
    otherwise = egress_cluster(snapshot, scope)
    out = {f"{bind}_{port}": entry.as_json(bind, port, otherwise) for (bind, port), entry in made.entries.items()}
    return out | {"virtualOutbound": _virtual_outbound(otherwise)}


def egress_cluster(snapshot: Snapshot, scope: Scope) -> str:
    """Where calls go that the proxy does not know: through, to the Sidecar's egress proxy, or nowhere (REGISTRY_ONLY)."""
    policy = scope.sidecar.get("outboundTrafficPolicy")
    if policy is None:
        return BLACK_HOLE if snapshot.topology.config.registry_only else PASSTHROUGH
    if policy.get("mode", "REGISTRY_ONLY") == "REGISTRY_ONLY":
        return BLACK_HOLE
    if to := policy.get("egressProxy"):
        return outbound_name(to.get("port", {}).get("number", 0), to.get("subset", ""), to["host"])
    return PASSTHROUGH


@dataclass
class _Entry:
    """A listener in the making. `locked` ones are those that a Sidecar asked for: no other Service is added."""

    protocol: Protocol
    chains: list[Chain]
    captured: bool
    locked: bool = False

    def merge(self, incoming: Sequence[Chain], protocol: Protocol) -> None:
        """Add what Envoy can tell apart; nothing can be where the server speaks first."""
        if self.protocol is not protocol and {self.protocol, protocol} & {*_SERVER_FIRST}:
            return
        for chain in incoming:
            if not any(each.conflicts_with(chain) for each in self.chains):
                self.chains.append(chain)
        if self.protocol.http or not protocol.tcp:
            self.protocol = Protocol.SNIFFED

    def as_json(self, bind: str, port: int, otherwise: str) -> Json:
        for_all = [_chain(each) for each in self.chains if each.for_all]
        rest = [{"filter_chain_match": each.match, **_chain(each)} for each in self.chains if not each.for_all]
        out: Json = {
            "@type": LISTENER,
            "name": f"{bind}_{port}",
            "address": {"socket_address": {"address": bind, "port_value": port}},
            "traffic_direction": "OUTBOUND",
            "listener_filters_timeout": "0s",
            "continue_on_listener_filters_timeout": True,
        }
        out |= {"bind_to_port": False} if self.captured else {"max_connections_to_accept_per_socket_event": 1}
        if not rest:
            return out | {"filter_chains": for_all[-1:]}
        inspectors = [TLS_INSPECTOR] if any(each.server_names for each in self.chains) else []
        if any(each.application_protocols for each in self.chains):
            inspectors.append(HTTP_INSPECTOR)
        default = for_all[-1] if for_all else _passthrough_chain(otherwise)
        return out | {"filter_chains": rest, "default_filter_chain": default, "listener_filters": inspectors}


def _chain(chain: Chain) -> Json:
    return chain.as_json(transport_socket_connect_timeout="15s")


def _passthrough_chain(cluster: str) -> Json:
    return {"filter_chain_match": {}, "filters": [tcp_proxy(cluster)], "name": "PassthroughFilterChain"}


def _virtual_outbound(unknown: str) -> Json:
    own: Json = {
        "name": "virtualOutbound-blackhole",
        "filter_chain_match": {"destination_port": 15001},
        "filters": [tcp_proxy(BLACK_HOLE, logged=False)],
    }
    return {
        "@type": LISTENER,
        "name": "virtualOutbound",
        "address": {"socket_address": {"address": ANY_ADDRESS, "port_value": 15001}},
        "filter_chains": [own, {"name": "virtualOutbound-catchall-tcp", "filters": [tcp_proxy(unknown)]}],
        "use_original_dst": True,
        "traffic_direction": "OUTBOUND",
        "max_connections_to_accept_per_socket_event": 1,
    }


@dataclass
class _Listeners:
    """Collects listeners by address and port; where two Services want the same, the first decides, or both share it."""

    snapshot: Snapshot
    proxy: Proxy
    entries: dict[tuple[str, int], _Entry] = field(default_factory=dict)
    rules: Sequence[VirtualService] = ()
    captured: bool = True

    def add_all(self, egress: EgressListener) -> None:
        self.rules = [each for each in egress.virtual_services if each.tcp or each.tls]
        self.captured = egress.captured
        bind = egress.bind or ("" if egress.captured else LOOPBACK)
        if egress.port is not None:
            for service in egress.services:
                self.add(service, egress.port, bind)
            return
        for entry in self.entries.values():
            entry.locked = True
        for service in egress.services:
            for port in service.ports:
                for each in self._binds(service, port, bind):
                    self.add(service, port, each)

    def _binds(self, service: Service, port: Port, bind: str) -> list[str]:
        """The addresses to listen on: of a Service without one that does not speak HTTP, those of its instances."""
        headless = service.resolution is Resolution.NONE and not service.address
        if bind or not headless or port.protocol.http or port.protocol is Protocol.UDP:
            return [bind]
        found = self.snapshot.endpoints(service, port.number)
        if service.entry and not found and not service.selector:
            return [bind]
        own = self.proxy.instance.address
        return [each.address for each in found if address(each.address) and each.address != own]

    def add(self, service: Service, port: Port, bind: str) -> None:
        """The listener for a port of a Service, or its part in the one that is there (`buildSidecarOutboundListener`)."""
        if _not_ours(port, bind):
            return
        http, sniffed = port.protocol.http, port.protocol is Protocol.SNIFFED
        bind, ranges = _address(service, http, bind)
        key = (bind, port.number)
        known = self.entries.get(key)
        if known and (known.locked or (http and not known.protocol.tcp and port.protocol is not Protocol.HTTP_PROXY)):
            return  # one listener does for all that speak HTTP
        if sniffed and known and known.protocol is Protocol.SNIFFED:
            return
        made: list[Chain] = []
        if not http:
            made += chains(Destination(self.snapshot, self.proxy, service, port, bind, ranges), self.rules)
        inspected = port.protocol is not Protocol.HTTP_PROXY and (sniffed or bind == ANY_ADDRESS)
        if http or sniffed:
            made.append(_http(bind, port.number, service.hostname if sniffed else "", inspected))
        if known is None or (sniffed and known.protocol.http) or port.protocol is Protocol.HTTP_PROXY:
            own = Protocol.SNIFFED if http and inspected else port.protocol
            self.entries[key] = _Entry(own, made, self.captured)
        else:
            known.merge(made, port.protocol)


def _not_ours(port: Port, bind: str) -> bool:
    """UDP is not intercepted, and some ports are the sidecar's own."""
    everywhere = bind == ANY_ADDRESS or (port.protocol.http and not bind)
    return port.protocol is Protocol.UDP or (port.number in _RESERVED and everywhere)


def _address(service: Service, http: bool, bind: str) -> tuple[str, list[str]]:
    """The address to listen on, and the ranges of destinations if the Service has one instead of an address."""
    if bind or http:
        return bind or ANY_ADDRESS, []
    if "/" in service.address:
        return ANY_ADDRESS, [service.address]
    return service.address or ANY_ADDRESS, []


def _http(bind: str, port: int, host: str, inspected: bool) -> Chain:
    """Connections that carry HTTP; `host` is that of a sniffed Service, which has routes of its own at an address of its own."""
    name = f"{host}:{port}" if host and bind != ANY_ADDRESS else str(port)
    manager = outbound_manager(f"outbound_{bind}_{port};", name)
    return Chain([manager], **PLAIN_HTTP) if inspected else Chain([manager])
