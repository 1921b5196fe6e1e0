"""What a sidecar does with calls to its workload (`listener_inbound.go`, `filterchain_options.go`)."""

from __future__ import annotations

from typing import Any

from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Service
from meshtest.translate.cluster_name import BLACK_HOLE, INBOUND_PASSTHROUGH, inbound_name
from meshtest.translate.connection_manager import inbound_manager
from meshtest.translate.filter_chain import PLAIN_HTTP
from meshtest.translate.inbound_cluster import inbound
from meshtest.translate.network_filter import tcp_proxy
from meshtest.translate.outbound_listener import HTTP_INSPECTOR, LISTENER
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.tls import mutual_tls
from meshtest.translate.virtual_host import route_configuration

ISTIO_TCP, ISTIO_HTTP = ["istio", "istio-peer-exchange"], ["istio-http/1.0", "istio-http/1.1", "istio-h2"]


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
    """`virtualInbound`: filter chains for any port, then for each port of the workload, with and without mutual TLS."""
    found = ports(snapshot, proxy)
    chains = [_own_port(), *_any_port()]
    for target, (_, port) in sorted(found.items()):
        chains += _chains(target, port)
    http_ports = [target for target, (_, port) in sorted(found.items()) if port.protocol is not Protocol.SNIFFED]
    return {
        "@type": LISTENER,
        "name": "virtualInbound",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
        "filter_chains": chains,
        "listener_filters": _listener_filters(http_ports),
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
        "max_connections_to_accept_per_socket_event": 1,
        "traffic_direction": "INBOUND",
    }


def _listener_filters(not_sniffed: list[int]) -> list[Json]:
    tls: Json = {
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        },
        "filter_disabled": _port_range(15006),
    }
    original: Json = {
        "name": "envoy.filters.listener.original_dst",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"},
    }
    off = (
        {"or_match": {"rules": [_port_range(port) for port in (*not_sniffed, 15006)]}}
        if not_sniffed
        else _port_range(15006)
    )
    return [original, tls, {**HTTP_INSPECTOR, "filter_disabled": off}]


def _port_range(port: int) -> Json:
    return {"destination_port_range": {"start": port, "end": port + 1}}


def _own_port() -> Json:
    match = {"destination_port": 15006}
    return {
        "name": "virtualInbound-blackhole",
        "filter_chain_match": match,
        "filters": [tcp_proxy(BLACK_HOLE, logged=False)],
    }


def _any_port() -> list[Json]:
    manager = inbound_manager(f"{INBOUND_PASSTHROUGH};", _routes(INBOUND_PASSTHROUGH, 0))
    tcp = tcp_proxy(INBOUND_PASSTHROUGH)
    http_name, tcp_name = "virtualInbound-catchall-http", "virtualInbound"
    return [
        _chain(http_name, [manager], {"application_protocols": ISTIO_HTTP, "transport_protocol": "tls"}, secured=True),
        _chain(http_name, [manager], PLAIN_HTTP),
        _chain(tcp_name, [tcp], {"application_protocols": ISTIO_TCP[::-1], "transport_protocol": "tls"}, secured=True),
        _chain(tcp_name, [tcp], {"transport_protocol": "raw_buffer"}),
        _chain(tcp_name, [tcp], {"transport_protocol": "tls"}),
    ]


def _chains(target: int, port: Port) -> list[Json]:
    """The permissive set: mutual TLS and plain text for a known protocol, HTTP and TCP apart for a sniffed one."""
    name, cluster = f"0.0.0.0_{target}", inbound_name(target)
    at: Json = {"destination_port": target}
    http = [inbound_manager(f"{cluster};", _routes(cluster, target))]
    tcp = [tcp_proxy(cluster)]
    plain, tls = {**at, "transport_protocol": "raw_buffer"}, {**at, "transport_protocol": "tls"}
    if port.protocol.http:
        return [
            _chain(name, http, {**tls, "application_protocols": [*ISTIO_TCP, *ISTIO_HTTP]}, secured=True),
            _chain(name, http, plain),
        ]
    if port.protocol is Protocol.SNIFFED:
        return [
            _chain(name, http, {**tls, "application_protocols": ISTIO_HTTP}, secured=True),
            _chain(name, http, {**plain, "application_protocols": PLAIN_HTTP["application_protocols"]}),
            _chain(name, tcp, {**tls, "application_protocols": ISTIO_TCP[::-1]}, secured=True),
            _chain(name, tcp, plain),
            _chain(name, tcp, tls),
        ]
    secured = _chain(name, tcp, {**tls, "application_protocols": [*ISTIO_TCP[::-1], *ISTIO_HTTP]}, secured=True)
    return [secured, _chain(name, tcp, plain), _chain(name, tcp, tls)]


def _chain(name: str, filters: list[Json], match: Json, secured: bool = False) -> Json:
    socket: dict[str, Any] = {"transport_socket": mutual_tls()} if secured else {}
    return {"name": name, "filter_chain_match": match, "filters": filters, **socket}


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
