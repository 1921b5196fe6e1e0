"""Which filter chain takes a connection: as Envoy has it."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from meshtest.explain.connection import Connection, Tls
from meshtest.explain.filter_chain import chain_for, seen
from meshtest.explain.headers import request_headers
from meshtest.meshes.local.envoy import binary

Json = dict[str, Any]

TLS_INSPECTOR = {
    "name": "envoy.filters.listener.tls_inspector",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
}
HTTP_INSPECTOR = {
    "name": "envoy.filters.listener.http_inspector",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"},
}
GET = request_headers("GET", "a.b", "/", ())


def listener(
    *matches: Json, default: bool = False, inspectors: tuple[Json, ...] = (TLS_INSPECTOR, HTTP_INSPECTOR)
) -> Json:
    """A listener with a chain for each match, named by its number."""
    chains = [{"filter_chain_match": match, "name": str(number)} for number, match in enumerate(matches)]
    made: Json = {"filter_chains": chains, "listener_filters": [*inspectors]}
    return made | ({"default_filter_chain": {"name": "default"}} if default else {})


def connection(address: str = "10.0.0.1", port: int = 443, tls: tuple[Tls, ...] = (), http: bool = False) -> Connection:
    """A connection from outside."""
    return Connection(None, address, port, tls, GET if http else None)


def taken(made: Json, given: Connection) -> str | None:
    """The name of the chain that takes a connection."""
    found = chain_for(made, seen(made, given))
    return found["name"] if found else None


NAMES = [{"server_names": ["a.b.c"]}, {"server_names": ["*.b.c", "d.e"]}, {"server_names": ["*.c"]}, {}]


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("a.b.c", "0"),
        ("x.b.c", "1"),
        ("x.y.b.c", "1"),
        ("b.c", "2"),
        ("d.e", "1"),
        ("x.d.e", "3"),
        ("c", "3"),
        ("", "3"),
    ],
)
def test_server_names(name: str, chain: str) -> None:
    """The full name, then the longest wildcard, then none."""
    assert taken(listener(*NAMES), connection(tls=(Tls(name),))) == chain


def test_without_an_inspector() -> None:
    """Where nobody looks, a TLS connection is as any other."""
    made = listener({"server_names": ["a.b"]}, {"transport_protocol": "raw_buffer"}, inspectors=())
    assert taken(made, connection(tls=(Tls("a.b"),))) == "1"


def test_inspectors_that_are_off() -> None:
    """An inspector may be off for some ports, or for all but some."""
    ports = {"destination_port_range": {"start": 80, "end": 81}}
    match = {"application_protocols": ["http/1.1"]}
    off = listener(
        match, default=True, inspectors=(HTTP_INSPECTOR | {"filter_disabled": {"or_match": {"rules": [ports]}}},)
    )
    on = listener(match, default=True, inspectors=(HTTP_INSPECTOR | {"filter_disabled": {"not_match": ports}},))
    assert [taken(each, connection(port=80, http=True)) for each in (off, on)] == ["default", "0"]
    assert [taken(each, connection(port=81, http=True)) for each in (off, on)] == ["0", "default"]


@pytest.mark.parametrize(
    ("given", "chain"),
    [
        (connection("10.1.2.3"), "0"),
        (connection("10.1.9.9"), "1"),
        (connection("10.9.9.9"), "2"),
        (connection(""), "2"),
        (connection("10.1.2.3", tls=(Tls("a.b"),)), None),  # no way back to what is wider
        (connection("10.9.9.9", port=80), "3"),
        (connection("10.1.2.3", port=80, tls=(Tls(""),)), None),
    ],
)
def test_no_way_back(given: Connection, chain: str | None) -> None:
    """Port, address, name, transport, protocol: each narrows what is left, and nothing is taken back."""
    made = listener(
        {"prefix_ranges": [{"address_prefix": "10.1.2.0", "prefix_len": 24}], "transport_protocol": "raw_buffer"},
        {"prefix_ranges": [{"address_prefix": "10.1.0.0", "prefix_len": 16}]},
        {},
        {"destination_port": 80, "transport_protocol": "raw_buffer"},
    )
    assert taken(made, given) == chain


ADDRESSES = ["127.0.0.1", "127.0.7.1", "127.0.7.2"]
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "server_names": st.lists(
            st.sampled_from(["a.b", "*.a.b", "*.b", "x.a.b"]), min_size=1, max_size=2, unique=True
        ),
        "transport_protocol": st.sampled_from(["tls", "raw_buffer"]),
        "application_protocols": st.lists(
            st.sampled_from(["h2", "http/1.1", "istio"]), min_size=1, max_size=2, unique=True
        ),
        "prefix_ranges": st.sampled_from(
            [[{"address_prefix": "127.0.7.0", "prefix_len": 24}], [{"address_prefix": "127.0.7.2", "prefix_len": 32}]]
        ),
    },
)


@st.composite
def listeners(draw: st.DrawFn) -> Json:
    """Chains that Envoy takes together: no two for the same."""
    matches: list[Json] = []
    used: set[tuple[str, ...]] = set()
    for match in draw(st.lists(MATCHES, min_size=1, max_size=6)):
        keys = _keys(match)
        if not keys & used:
            used |= keys
            matches.append(match)
    inspectors = draw(st.sampled_from([(TLS_INSPECTOR, HTTP_INSPECTOR), (TLS_INSPECTOR,)]))
    return listener(*matches, default=draw(st.booleans()), inspectors=inspectors)


def _keys(match: Json) -> set[tuple[str, ...]]:
    ranges = str(match.get("prefix_ranges", ""))
    return {
        (ranges, name, match.get("transport_protocol", ""), protocol)
        for name in match.get("server_names", [""])
        for protocol in match.get("application_protocols", [""])
    }


CONNECTIONS = st.one_of(
    st.builds(
        lambda address, name, protocols: connection(address, 0, (Tls(name, protocols),)),
        st.sampled_from(ADDRESSES),
        st.sampled_from(["a.b", "x.a.b", "y.x.a.b", "b", "c.d", ""]),
        st.lists(st.sampled_from(["h2", "http/1.1", "istio"]), max_size=2, unique=True),
    ),
    st.builds(lambda address: connection(address, 0, http=True), st.sampled_from(ADDRESSES)),
)


def hello(tls: Tls) -> bytes:
    """The first bytes of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if tls.protocols:
        context.set_alpn_protocols([*tls.protocols])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=tls.server_name or None)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def asked(port: int, given: Connection) -> str | None:
    """The name of the chain that a connection to a real Envoy meets; None if it is closed."""
    with socket.create_connection((given.address, port), timeout=20) as client:
        client.sendall(hello(given.tls[0]) if given.tls else b"GET / HTTP/1.1\r\nhost: a.b\r\n\r\n")
        try:
            return client.recv(100).decode() or None
        except ConnectionResetError:
            return None


CHAINS = [*map(str, range(6)), "default"]


class Named(socketserver.BaseRequestHandler):
    """Tells the name of its server."""

    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(self.server.name.encode())


@pytest.fixture(scope="module")
def named() -> Iterator[dict[str, int]]:
    """For each name of a chain the port of a server that tells it."""
    servers = {name: socketserver.ThreadingTCPServer(("127.0.0.1", 0), Named) for name in CHAINS}
    for name, server in servers.items():
        server.name = name
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    yield {name: server.server_address[1] for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


def _cluster(name: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}


def _answering(chain: Json) -> Json:
    kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": kind, "stat_prefix": "x", "cluster": chain["name"]}
    return {**chain, "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}


def _bound(number: int, made: Json, port: int) -> Json:
    addresses = [{"socket_address": {"address": each, "port_value": port}} for each in ADDRESSES]
    out = {
        **made,
        "name": f"l{number}",
        "address": addresses[0],
        "filter_chains": [*map(_answering, made["filter_chains"])],
    }
    out["additional_addresses"] = [{"address": each} for each in addresses[1:]]
    if "default_filter_chain" in made:
        out["default_filter_chain"] = _answering(made["default_filter_chain"])
    return out


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at these addresses."""
    found = [socket.create_server((ADDRESSES[0], 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in found]
    for each in found:
        each.close()
    return ports


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127/8 is there on Linux only")
@settings(
    deadline=None,
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(st.lists(listeners(), min_size=15, max_size=25), st.lists(CONNECTIONS, min_size=20, max_size=30))
def test_the_same_chain(
    named: dict[str, int], tmp_path_factory: pytest.TempPathFactory, made: list[Json], connections: list[Connection]
) -> None:
    """Envoy takes the chain that is told, for any chains and connections."""
    ports = free_ports(len(made))
    bound = [_bound(number, each, port) for number, (each, port) in enumerate(zip(made, ports, strict=True))]
    clusters = [_cluster(name, port) for name, port in named.items()]
    config = tmp_path_factory.mktemp("envoy") / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": bound, "clusters": clusters}}))
    command = [binary(), "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as envoy:
        try:
            _wait(envoy, ports[-1])
            for number, (each, port) in enumerate(zip(made, ports, strict=True)):
                for given in connections:
                    assert asked(port, given) == taken(each, given), (number, each, given)
        finally:
            envoy.kill()


def _wait(envoy: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((ADDRESSES[-1], port)).close()
            return
        except OSError:
            if envoy.poll() is not None or time.monotonic() > deadline:
                envoy.kill()
                pytest.fail(f"Envoy did not start: {envoy.stderr.read().decode() if envoy.stderr else ''}")
            time.sleep(0.01)
