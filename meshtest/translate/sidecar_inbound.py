"""What a sidecar does with calls to its workload (`listener_inbound.go`)."""

from __future__ import annotations

from collections.abc import Sequence

from meshtest.topology.protocol import Protocol
from meshtest.translate import authorization_policy, inbound_match, peer_authentication
from meshtest.translate.cluster_name import BLACK_HOLE, INBOUND_PASSTHROUGH, inbound_name
from meshtest.translate.connection_manager import GRPC_WEB, inbound_manager
from meshtest.translate.inbound_match import Match
from meshtest.translate.inbound_port import ANY, InboundPort, inbound_ports
from meshtest.translate.network_filter import tcp_proxy, to_cluster
from meshtest.translate.outbound_listener import HTTP_INSPECTOR, LISTENER, TLS_INSPECTOR
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.tls import mutual_tls
from meshtest.translate.virtual_host import route_configuration

_ORIGINAL_DESTINATION: Json = {
    "name": "envoy.filters.listener.original_dst",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"},
}


def listeners(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """`virtualInbound`, for what is intercepted, and one for each port on which the sidecar itself listens, by name.

    `virtualInbound` has filter chains for any port, then for each port of the workload, by its mode of mutual TLS.
    """
    inbound = _Inbound(snapshot, proxy)
    ports = [each for each in inbound_ports(snapshot, proxy) if not each.taken]
    others = sorted(inbound.modes.ports.keys() - {each.number for each in ports})
    chains = [_own_port(), *(chain for number in (0, *others) for chain in inbound.any_port(number))]
    chains += [chain for each in ports if not each.bound for chain in inbound.chains(each)]
    bound = [_listener(each.bind, each.number, inbound.chains(each), bound=True) for each in ports if each.bound]
    return {each["name"]: each for each in (_listener(ANY, 15006, chains, bound=False), *bound)}


def _listener(bind: str, number: int, chains: Sequence[Json], bound: bool) -> Json:
    return {
        "@type": LISTENER,
        "name": f"{bind}_{number}" if bound else "virtualInbound",
        "address": {"socket_address": {"address": bind, "port_value": number}},
        "filter_chains": [*chains],
        "listener_filters": listener_filters(chains)[1 if bound else 0 :],
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
        "max_connections_to_accept_per_socket_event": 1,
        "traffic_direction": "INBOUND",
    }


def listener_filters(chains: Sequence[Json]) -> list[Json]:
    """The filters that look at connections where the chains of their port want to know (`populateListenerFilters`)."""
    tls: dict[int, bool] = {}
    http: dict[int, bool] = {}
    for each in chains:
        match = each["filter_chain_match"]
        port = match.get("destination_port", 0)
        tls[port] = tls.get(port, False) or match.get("transport_protocol") == "tls"
        http[port] = http.get(port, False) or "http/1.1" in match.get("application_protocols", ())
    out = [_ORIGINAL_DESTINATION]
    if any(tls.values()):
        # Ports without a chain of their own are of port 0: the few others are named.
        wanted = sorted(port for port, wants in tls.items() if port and wants)
        unwanted = sorted(port for port, wants in tls.items() if port and not wants)
        out.append(TLS_INSPECTOR | (_off(unwanted) if tls.get(0) else _off(wanted, invert=True)))
    if any(http.values()):
        out.append(HTTP_INSPECTOR | _off(sorted(port for port, wants in http.items() if not wants)))
    return out


def _off(ports: Sequence[int], invert: bool = False) -> Json:
    ranges = [{"destination_port_range": {"start": port, "end": port + 1}} for port in ports]
    if not ranges:
        return {}
    these = ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}
    return {"filter_disabled": {"not_match": these} if invert else these}


def _own_port() -> Json:
    match = {"destination_port": 15006}
    return {
        "name": "virtualInbound-blackhole",
        "filter_chain_match": match,
        "filters": [tcp_proxy(BLACK_HOLE, logged=False)],
    }


class _Inbound:
    """What all filter chains of a workload have in common: the modes of its ports, its policies, its certificate."""

    def __init__(self, snapshot: Snapshot, proxy: Proxy) -> None:
        self.modes = peer_authentication.modes(snapshot, proxy)
        self._http = authorization_policy.http_filters(snapshot, proxy)
        self._tcp = authorization_policy.tcp_filters(snapshot, proxy)
        self._socket = {"transport_socket": mutual_tls(snapshot.topology.config.trusted_domains)}

    def any_port(self, number: int) -> list[Json]:
        """The chains for ports that belong to no Service: for one that has a mode of its own, or (0) for all others."""
        matches = inbound_match.sniffed(self.modes.of_port(number))
        names = ("virtualInbound-catchall-http", "virtualInbound")
        routes = _routes(INBOUND_PASSTHROUGH, 0, Protocol.SNIFFED)
        return self._chains(number, matches, names, INBOUND_PASSTHROUGH, routes, Protocol.SNIFFED)

    def chains(self, port: InboundPort) -> list[Json]:
        """The chains for a port of the workload, by what it speaks."""
        mode, name, cluster = self.modes.of_port(port.number), f"{port.bind}_{port.number}", inbound_name(port.number)
        if port.protocol is Protocol.SNIFFED:
            matches = inbound_match.sniffed(mode)
        else:
            matches = inbound_match.of_http(mode) if port.protocol.http else inbound_match.of_tcp(mode)
        routes = _routes(cluster, port.asked, port.protocol)
        return self._chains(port.number, matches, (name, name), cluster, routes, port.protocol)

    def _chains(
        self,
        number: int,
        matches: Sequence[Match],
        names: tuple[str, str],
        cluster: str,
        routes: Json,
        protocol: Protocol,
    ) -> list[Json]:
        before = [*self._http, *([GRPC_WEB] if protocol is Protocol.GRPC_WEB else [])]
        out = []
        for match in matches:
            manager = inbound_manager(f"{cluster};", routes, before, http2=protocol.http2)
            chain = {
                "name": names[0] if match.http else names[1],
                "filter_chain_match": match.as_json(number),
                "filters": [manager] if match.http else [*self._tcp, *to_cluster(cluster, protocol, None)],
            }
            out.append(chain | self._socket if match.secured else chain)
        return out


def _routes(cluster: str, port: int, protocol: Protocol) -> Json:
    action: Json = {
        "cluster": cluster,
        "timeout": "0s",
        "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
    }
    if protocol not in (Protocol.GRPC, Protocol.GRPC_WEB):  # streams cannot be begun anew
        action["retry_policy"] = {"retry_on": "reset-before-request", "num_retries": 2}
    host = {
        "name": f"inbound|http|{port}",
        "domains": ["*"],
        "routes": [{"name": "default", "match": {"prefix": "/"}, "route": action}],
    }
    full = route_configuration(cluster, [host])
    return {key: full[key] for key in ("name", "virtual_hosts", "validate_clusters")}
