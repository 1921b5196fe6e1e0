"""What a sidecar does with calls to its workload (`listener_inbound.go`)."""

from __future__ import annotations

from collections.abc import Sequence

from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Service
from meshtest.translate import authorization_policy, inbound_match, peer_authentication
from meshtest.translate.cluster_name import BLACK_HOLE, INBOUND_PASSTHROUGH, inbound_name
from meshtest.translate.connection_manager import inbound_manager
from meshtest.translate.inbound_cluster import inbound
from meshtest.translate.inbound_match import Match
from meshtest.translate.network_filter import tcp_proxy
from meshtest.translate.outbound_listener import HTTP_INSPECTOR, LISTENER, TLS_INSPECTOR
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.tls import mutual_tls
from meshtest.translate.virtual_host import route_configuration

_ORIGINAL_DESTINATION: Json = {
    "name": "envoy.filters.listener.original_dst",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"},
}


def ports(snapshot: Snapshot, proxy: Proxy) -> dict[int, tuple[Service, Port]]:
    """The ports that the workload listens on, each with the first Service port that leads to it."""
    instance = proxy.instance
    out: dict[int, tuple[Service, Port]] = {}
    for service in snapshot.topology.services:
        if service.namespace == instance.namespace and service.selects(instance.labels):
            for port in service.ports:
                if port.protocol is Protocol.UDP:
                    continue
                target = port.target if isinstance(port.target, int) else instance.ports.get(port.target)
                if target is not None:
                    out.setdefault(target, (service, port))
    return out


def clusters(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """One cluster for each port of the workload."""
    return {inbound_name(target): inbound(snapshot, *found, target) for target, found in ports(snapshot, proxy).items()}


def listener(snapshot: Snapshot, proxy: Proxy) -> Json:
    """`virtualInbound`: filter chains for any port, then for each port of the workload, by its mode of mutual TLS."""
    inbound = _Inbound(snapshot, proxy)
    found = ports(snapshot, proxy)
    others = sorted(inbound.modes.ports.keys() - found.keys())
    chains = [_own_port(), *(chain for number in (0, *others) for chain in inbound.any_port(number))]
    for target, (_, port) in sorted(found.items()):
        chains += inbound.chains(target, port)
    return {
        "@type": LISTENER,
        "name": "virtualInbound",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
        "filter_chains": chains,
        "listener_filters": listener_filters(chains),
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
        out.append(TLS_INSPECTOR | (_off(unwanted) if tls[0] else _off(wanted, invert=True)))
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
        return self._chains(number, matches, names, INBOUND_PASSTHROUGH, _routes(INBOUND_PASSTHROUGH, 0))

    def chains(self, target: int, port: Port) -> list[Json]:
        """The chains for a port of the workload, by what the Service's port speaks."""
        mode, name, cluster = self.modes.of_port(target), f"0.0.0.0_{target}", inbound_name(target)
        if port.protocol is Protocol.SNIFFED:
            matches = inbound_match.sniffed(mode)
        else:
            matches = inbound_match.of_http(mode) if port.protocol.http else inbound_match.of_tcp(mode)
        return self._chains(target, matches, (name, name), cluster, _routes(cluster, port.number))

    def _chains(
        self, number: int, matches: Sequence[Match], names: tuple[str, str], cluster: str, routes: Json
    ) -> list[Json]:
        out = []
        for match in matches:
            manager, tcp = inbound_manager(f"{cluster};", routes, self._http), [*self._tcp, tcp_proxy(cluster)]
            chain = {
                "name": names[0] if match.http else names[1],
                "filter_chain_match": match.as_json(number),
                "filters": [manager] if match.http else tcp,
            }
            out.append(chain | self._socket if match.secured else chain)
        return out


def _routes(cluster: str, port: int) -> Json:
    action: Json = {
        "cluster": cluster,
        "timeout": "0s",
        "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        "retry_policy": {"retry_on": "reset-before-request", "num_retries": 2},
    }
    host = {
        "name": f"inbound|http|{port}",
        "domains": ["*"],
        "routes": [{"name": "default", "match": {"prefix": "/"}, "route": action}],
    }
    full = route_configuration(cluster, [host])
    return {key: full[key] for key in ("name", "virtual_hosts", "validate_clusters")}
