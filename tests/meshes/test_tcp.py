"""Connections that carry no HTTP, on real Envoys: through the gateway, through sidecars, split by weight, told apart by server name."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter

import pytest
from scipy.stats import binom

from meshtest.source import Source
from tests.meshes.conftest import Town
from tests.meshes.manifests import DATABASE, TCP_ECHO, WEB

MANIFESTS = TCP_ECHO + WEB + DATABASE
SUBSETS = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: tcp-echo}
spec: {host: tcp-echo, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""
GATEWAY = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 31400, name: tcp, protocol: TCP}, hosts: ['*']}]
"""
MISSES = 1e-9  # how often a test of shares may fail though all is right


def tcp_rules(routes: str, hosts: str = "['*']", gateways: str = "[edge]") -> str:
    """A VirtualService with `tcp` rules."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: tcp}}
spec: {{hosts: {hosts}, gateways: {gateways}, tcp: {routes}}}
"""


def to(subset: str, weight: int | None = None, port: int = 9000) -> str:
    """A destination of a rule."""
    more = "" if weight is None else f", weight: {weight}"
    return f"{{destination: {{host: tcp-echo, subset: {subset}, port: {{number: {port}}}}}{more}}}"


def line(source: Source, url: str, text: str = "hello") -> str:
    """What comes back for one line; empty if the connection is closed."""
    try:
        with source.connect(url) as connection:
            connection.sendall(text.encode() + b"\n")
            return connection.recv(1000).decode()
    except ConnectionResetError:
        return ""


def refused(source: Source, url: str) -> bool:
    """Whether nothing listens."""
    try:
        source.connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def versions(source: Source, url: str, count: int) -> Counter[str]:
    """Which version answered how many of so many connections."""
    return Counter(line(source, url).partition(" ")[0] for _ in range(count))


def is_share(count: int, total: int, share: float) -> bool:
    """Whether a count is one that a share brings, but for the rarest of cases."""
    return bool(binom.cdf(count, total, share) > MISSES / 2 and binom.sf(count - 1, total, share) > MISSES / 2)


def test_bounds_can_fail() -> None:
    """A split that is wrong by a third is not taken for a right one."""
    assert is_share(80, 400, 0.2)
    assert not is_share(200, 400, 0.2)
    assert not is_share(0, 400, 0.2)
    assert not is_share(400, 400, 0.8)


def test_each_line_comes_back(town: Town) -> None:
    """A Service's TCP ports are reached through both sidecars; each line comes back behind the prefix of the version."""
    seen = {
        line(town.workload(), f"tcp://{host}:{port}")
        for host in ("tcp-echo", "tcp-echo.default")
        for port in (9000, 9001)
    }
    assert seen <= {"one hello\n", "two hello\n"}
    with town.workload().connect("tcp://tcp-echo:9000") as connection:
        connection.sendall(b"first\nsecond\n")  # Envoy waits for five bytes, to see whether they are TLS
        answer = b""
        while answer.count(b"\n") < 2:
            answer += connection.recv(1000)
    assert answer.replace(b"two", b"one") == b"one first\none second\n"


def test_one_version(town: Town) -> None:
    """A `tcp` rule of the mesh sends to the subset, by the port that it matches."""
    town.put(
        SUBSETS
        + tcp_rules(
            f"[{{match: [{{port: 9000}}], route: [{to('v2')}]}}, {{match: [{{port: 9001}}], route: [{to('v1', port=9001)}]}}]",
            "[tcp-echo]",
            "[mesh]",
        )
    )
    assert versions(town.workload(), "tcp://tcp-echo:9000", 20) == {"two": 20}
    assert versions(town.workload(), "tcp://tcp-echo:9001", 20) == {"one": 20}


@pytest.mark.parametrize("entry", ["gateway", "mesh"])
def test_split(town: Town, entry: str) -> None:
    """80 and 20 of a hundred connections go to the two versions, at the gateway and through a sidecar."""
    routes = f"[{{route: [{to('v1', 80)}, {to('v2', 20)}]}}]"
    if entry == "gateway":
        town.put(GATEWAY + SUBSETS + tcp_rules(routes))
        found = versions(town.ingress, "tcp://tcp-echo:31400", 400)
    else:
        town.put(SUBSETS + tcp_rules(routes, "[tcp-echo]", "[mesh]"))
        found = versions(town.workload(), "tcp://tcp-echo:9000", 400)
    assert found.total() == found["one"] + found["two"] == 400
    assert is_share(found["two"], 400, 0.2), found


def test_a_gateway_without_a_rule(town: Town) -> None:
    """Where no rule says where to, a TCP server listens for nothing."""
    town.put(GATEWAY)
    assert refused(town.ingress, "tcp://tcp-echo:31400")


def test_prefix_without_an_argument(town: Town) -> None:
    """A workload that is not Istio's tcp-echo names itself, and speaks HTTP on a port of TCP to who begins so."""
    name = town.mesh.topology.names["db"][0].name
    assert line(town.workload(), f"tcp://{name}.db.data:5432") == f"{name} hello\n"
    with town.workload().connect("tcp://db.data:5432") as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: db\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_pods_of_a_service_without_an_address(town: Town) -> None:
    """A pod that is called by its name, or its address, is the one that answers."""
    for each in town.mesh.topology.names["db"]:
        for host in (f"{each.name}.db.data", f"{each.name}.db.data.svc.cluster.local", each.address):
            assert versions(town.workload(), f"tcp://{host}:5432", 10) == {each.name: 10}
    answers = {town.workload().get("http://db.data:8008/").json()["podname"] for _ in range(60)}
    assert answers == {each.name for each in town.mesh.topology.names["db"]}
    with pytest.raises(ValueError, match="a pod is called at its own address"):
        town.workload().get("http://db-1.db.data:8008/")


TLS_RULES = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tls}
spec:
  hosts: [one.example.com, two.example.com, web.example.com]
  gateways: [edge, mesh]
  tls:
  - {match: [{sniHosts: [web.example.com], port: 443}], route: [{destination: {host: web, port: {number: 443}}}]}
"""
PASSTHROUGH = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: ['*.example.com'], tls: {mode: PASSTHROUGH}}]
"""


def test_passed_through_by_server_name(town: Town) -> None:
    """A gateway hands TLS on by the name that is asked for, unread; whatever no rule names is turned away."""
    town.put(PASSTHROUGH + TLS_RULES)
    answer = town.ingress.get("https://web.example.com/a").json()
    assert answer["podname"].startswith("web-v1-")
    assert answer["tls"] == {"server_name": "web.example.com", "client": []}
    assert "x-forwarded-proto" not in answer["headers"], "the gateway has read it"
    with pytest.raises((ConnectionResetError, OSError)):
        town.ingress.connect("tls://one.example.com")


def test_a_service_with_tls_of_its_own(town: Town) -> None:
    """Through sidecars TLS passes as it is; the workload proves the names of its Service."""
    for host in ("web", "web.default", "web.default.svc.cluster.local"):
        answer = town.workload("tcp-echo-v1").get(f"https://{host}/").json()
        assert answer["podname"].startswith("web-v1-")
    plain = town.workload("tcp-echo-v1").get("http://web:443/")
    assert plain.status_code == 400, "in the clear to a port of TLS"


def by_name(destinations: str) -> str:
    """A rule of the mesh that tells server names apart for a ServiceEntry."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: names}}
spec:
  hosts: [a.names.org, b.names.org]
  ports: [{{number: 443, name: tls, protocol: TLS}}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: names}}
spec:
  hosts: [a.names.org, b.names.org]
  tls: {destinations}
"""


def test_server_names_on_the_mesh(town: Town) -> None:
    """A sidecar sends by the server name that is asked for."""
    crossed = ", ".join(
        f"{{match: [{{port: 443, sniHosts: [{one}.names.org]}}], route: [{{destination: {{host: {other}.names.org}}}}]}}"
        for one, other in (("a", "b"), ("b", "a"))
    )
    town.put(by_name(f"[{crossed}]"))
    said = {host: town.workload().get(f"https://{host}.names.org/").json() for host in "ab"}
    assert {host: each["podname"] for host, each in said.items()} == {"a": "b.names.org", "b": "a.names.org"}
    assert {host: each["tls"]["server_name"] for host, each in said.items()} == {"a": "a.names.org", "b": "b.names.org"}


def test_closed_when_taken_back(town: Town) -> None:
    """A listener that is taken back refuses at once, and a changed rule counts from the moment that it is applied."""
    for _ in range(5):
        for subset, prefix in (("v1", "one"), ("v2", "two")):
            town.put(GATEWAY + SUBSETS + tcp_rules(f"[{{route: [{to(subset)}]}}]"))
            assert versions(town.ingress, "tcp://tcp-echo:31400", 5) == {prefix: 5}
    target = town.mesh.enter("tcp://tcp-echo:31400")
    town.put("")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(target.address)


def test_connections_are_logged(town: Town) -> None:
    """What became of a connection is known by its client's address, once it has ended: at the gateway, and at the sidecar behind."""
    town.put(GATEWAY + SUBSETS + tcp_rules(f"[{{route: [{to('v2')}]}}]"))
    for source, url, kind in (
        (town.ingress, "tcp://tcp-echo:31400", "gateway"),
        (town.workload(), "tcp://tcp-echo:9000", "outbound"),
    ):
        with source.connect(url) as connection:
            client = connection.getsockname()
            connection.sendall(b"hello\n")
            assert connection.recv(100)
        first, second = town.mesh.connection(client)
        assert (first.kind, second.kind) == (kind, "inbound")
        assert (first.summary, first.bytes_received, first.route_name) == ("0 - -", 6, "")
        assert first.upstream_instance == second.proxy.partition(".")[0]
        assert first.upstream_local_address == second.peer_address


def test_connections_that_lead_nowhere(town: Town) -> None:
    """A subset without endpoints is UH; a server name that no filter chain takes NR."""
    tls = "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: tls}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: [a.example.com], tls: {mode: PASSTHROUGH}}]}\n"
    passed = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: tls}\nspec: {hosts: [a.example.com], gateways: [tls], tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: web, port: {number: 443}}}]}]}\n"
    town.put(
        GATEWAY + tls + passed + SUBSETS.replace("version: v2", "version: v9") + tcp_rules(f"[{{route: [{to('v2')}]}}]")
    )
    for url, flag in (("tcp://tcp-echo:31400", "UH"), ("tcp://a.example.com:443", "NR")):
        with town.ingress.connect(url) as connection:
            client = connection.getsockname()
            connection.sendall(b"hello\n")
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
        (said,) = town.mesh.connection(client)
        assert said.flags == (flag,)


def test_connections_of_others(town: Town) -> None:
    """A connection that the mesh does not know is a ValueError."""
    with pytest.raises(ValueError, match=r"127.0.0.1:1 is no token or connection"):
        town.mesh.connection(("127.0.0.1", 1))
