"""Ports on which a workload takes calls, and what becomes of them (`listener_inbound.go`, `cluster.go`; asked of istiod 1.32)."""

from __future__ import annotations

import pytest

from meshtest.resources.manifest import check, read_text
from meshtest.topology.protocol import Protocol
from meshtest.translate.inbound_port import InboundPort, inbound_ports
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.translate.snapshots import Json, topology

WORLD = """
apiVersion: v1
kind: Service
metadata: {name: many, namespace: default}
spec:
  selector: {app: many}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: tcp, port: 9000}
  - {name: guess, port: 7000}
  - {name: grpc, port: 7070}
  - {name: grpc-web, port: 7071}
  - {name: mongo, port: 27017}
  - {name: https, port: 443, targetPort: 8443}
  - {name: dns, port: 53, protocol: UDP}
  - {name: named, port: 81, targetPort: web}
  - {name: unknown, port: 83, targetPort: nothing}
  - {name: tcp-twice, port: 82, targetPort: 8080}
  - {name: http-own, port: 15021}
---
apiVersion: v1
kind: Service
metadata: {name: also, namespace: default}
spec: {selector: {app: many}, ports: [{name: tcp, port: 80, targetPort: 9001}, {name: http, port: 81, targetPort: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: other}
spec: {selector: {app: many}, ports: [{name: http, port: 6000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: many-v1-0, namespace: default, labels: {app: many, version: v1}}
spec: {containers: [{name: main, ports: [{name: web, containerPort: 8088}]}]}
status: {podIP: 10.20.0.1}
"""


def given(text: str) -> tuple[Snapshot, Proxy]:
    """The workload among these resources."""
    snapshot = Snapshot(topology(WORLD), check(read_text(text, "test.yaml")) if text else [])
    return snapshot, Proxy(snapshot.topology.names["many-v1"][0])


def ports(text: str = "") -> dict[int, InboundPort]:
    """The workload's ports."""
    return {each.number: each for each in inbound_ports(*given(text))}


def made(text: str = "") -> ProxyConfig:
    """What its sidecar is sent."""
    return translate(*given(text))


def cluster(text: str, number: int) -> Json:
    """The cluster of a port."""
    return made(text).clusters[f"inbound|{number}||"]


def sidecar(spec: str) -> str:
    """A Sidecar; `spec` is the YAML of a mapping in flow style."""
    return f"---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: it}}\nspec: {spec}\n"


def rule(spec: str) -> str:
    """A DestinationRule for the Service; `spec` is the YAML of its traffic policy in flow style."""
    head = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: it}\n"
    return f"{head}spec: {{host: many, trafficPolicy: {spec}}}\n"


def test_services_say_the_ports() -> None:
    """Each port of a Service of the namespace that leads to the workload, the first of those that lead to one port."""
    found = ports()
    assert {number: each.protocol for number, each in found.items()} == {
        53: Protocol.UDP,
        7000: Protocol.SNIFFED,
        7070: Protocol.GRPC,
        7071: Protocol.GRPC_WEB,
        8080: Protocol.HTTP,
        8088: Protocol.SNIFFED,
        8443: Protocol.HTTPS,
        9000: Protocol.HTTP,  # of `also`, whose name comes first
        9001: Protocol.TCP,
        15021: Protocol.HTTP,
        27017: Protocol.MONGO,
    }
    assert [*found] == sorted(found)
    assert found[8080].asked == 80


def test_the_older_service_counts() -> None:
    """Of two Services that lead to one port the older one says what it speaks."""
    aged = WORLD.replace("{name: many, n", "{name: many, creationTimestamp: '2026-01-01T00:00:00Z', n").replace(
        "{name: also, n", "{name: also, creationTimestamp: '2026-01-02T00:00:00Z', n"
    )
    snapshot = Snapshot(topology(aged), [])
    found = inbound_ports(snapshot, Proxy(snapshot.topology.names["many-v1"][0]))
    assert {each.protocol for each in found if each.number == 9000} == {Protocol.TCP}


def test_ports_of_the_sidecars_own_have_no_chains() -> None:
    """Where the sidecar itself listens there is a cluster, but no filter chain (`CanBindToPort`)."""
    assert [number for number, each in ports().items() if each.taken] == [15021]
    chains = made().listeners["virtualInbound"]["filter_chains"]
    numbers = {each["filter_chain_match"].get("destination_port") for each in chains}
    assert numbers == {None, 15006, 53, 7000, 7070, 7071, 8080, 8088, 8443, 9000, 9001, 27017}
    assert "inbound|15021||" in made().clusters


def chain(text: str, number: int) -> Json:
    """The last filter of the first chain of a port: an HTTP connection manager, or a proxy for bytes."""
    chains = made(text).listeners["virtualInbound"]["filter_chains"]
    found = next(each for each in chains if each["filter_chain_match"].get("destination_port") == number)
    last: Json = found["filters"][-1]["typed_config"]
    return last


def test_grpc() -> None:
    """Calls of gRPC are not retried; its form for browsers is translated."""
    action = chain("", 8080)["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    assert action["retry_policy"] == {"retry_on": "reset-before-request", "num_retries": 2}
    for number in (7070, 7071):
        action = chain("", number)["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
        assert "retry_policy" not in action
        assert chain("", number)["http2_protocol_options"] == {}
    names = [each["name"] for each in chain("", 7071)["http_filters"]]
    assert names[0] == "envoy.filters.http.grpc_web"
    assert "http2_protocol_options" not in chain("", 8080)


def test_virtual_hosts_are_named_after_the_service_port() -> None:
    """The one virtual host has the name of the port that was asked for."""
    assert chain("", 8080)["route_config"]["virtual_hosts"][0]["name"] == "inbound|http|80"


def test_protocols_that_istio_reads() -> None:
    """MongoDB's bytes are looked at for statistics; UDP's port is one for connections, oddly."""
    chains = made().listeners["virtualInbound"]["filter_chains"]
    found = next(each for each in chains if each["filter_chain_match"].get("destination_port") == 27017)
    assert [each["name"] for each in found["filters"]] == [
        "envoy.filters.network.mongo_proxy",
        "envoy.filters.network.tcp_proxy",
    ]
    assert chain("", 53)["cluster"] == "inbound|53||"


INGRESS = sidecar(
    "{workloadSelector: {labels: {app: many}}, inboundConnectionPool: {http: {http1MaxPendingRequests: 3}}, ingress: ["
    "{port: {number: 8080, protocol: HTTP, name: a}, defaultEndpoint: '127.0.0.1:8081'},"
    "{port: {number: 9000, protocol: TCP, name: b}, defaultEndpoint: '0.0.0.0:9009', connectionPool: {tcp: {maxConnections: 7}}},"
    "{port: {number: 5000, name: c}},"
    "{port: {number: 5001, protocol: GRPC, name: d}, bind: 127.0.0.1, captureMode: NONE, defaultEndpoint: '[::1]:5002'},"
    "{port: {number: 5003, protocol: HTTPS, name: e}, captureMode: NONE, defaultEndpoint: ':5004'},"
    "{port: {number: 15021, protocol: HTTP, name: f}, defaultEndpoint: '[::]:5004'},"
    "{port: {number: 15090, protocol: TCP, name: g}},"
    "{port: {number: 15006, protocol: HTTP, name: h}},"
    "{port: {number: 27017, protocol: MONGO, name: m}, bind: 0.0.0.0}]}"
)


def test_a_sidecar_says_all_ports() -> None:
    """With `ingress` listeners the Services no longer count; a listener's port keeps to its own protocol and endpoint."""
    found = ports(INGRESS)
    assert {number: each.handed_to for number, each in found.items()} == {
        5000: None,
        5001: ("127.0.0.1", 5002),
        5003: None,
        8080: ("127.0.0.1", 8081),
        9000: ("10.20.0.1", 9009),
        15006: None,
        15021: ("::1", 5004),
        15090: None,
        27017: None,
    }
    assert {number: each.bind for number, each in found.items() if each.bound} == {5001: "127.0.0.1", 5003: "10.20.0.1"}
    assert [number for number, each in found.items() if each.taken] == [15021]
    services = {number: each.service.name for number, each in found.items() if each.service}
    assert services == {8080: "many", 9000: "also", 15021: "many", 27017: "many"}


def test_listeners_of_a_sidecar() -> None:
    """What is not captured has a listener of its own, which looks for no original destination."""
    listeners = {
        name: each for name, each in made(INGRESS).listeners.items() if each.get("traffic_direction") == "INBOUND"
    }
    assert [*listeners] == ["virtualInbound", "127.0.0.1_5001", "10.20.0.1_5003"]
    own = listeners["10.20.0.1_5003"]
    assert own["address"] == {"socket_address": {"address": "10.20.0.1", "port_value": 5003}}
    assert [each["name"] for each in own["listener_filters"]] == ["envoy.filters.listener.tls_inspector"]
    assert [each["filter_chain_match"]["destination_port"] for each in own["filter_chains"]] == [5003, 5003, 5003]
    chains = listeners["virtualInbound"]["filter_chains"]
    numbers = {each["filter_chain_match"].get("destination_port") for each in chains}
    assert numbers == {None, 5000, 8080, 9000, 15006, 15090, 27017}


def test_clusters_of_a_sidecar() -> None:
    """A default endpoint is a fixed one; calls to this host come from it, all others from an address that is not intercepted."""
    found = cluster(INGRESS, 8080)
    assert found["type"] == "STATIC"
    (group,) = found["load_assignment"]["endpoints"]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 8081}}
    assert group["lb_endpoints"] == [{"endpoint": {"address": address}}]
    assert "upstream_bind_config" not in found
    assert "lb_policy" not in found
    assert "upstream_bind_config" in cluster(INGRESS, 9000)
    assert cluster(INGRESS, 5000)["type"] == "ORIGINAL_DST"


def limits(text: str, number: int) -> tuple[int, int]:
    """The most connections and waiting requests of a port."""
    (found,) = cluster(text, number)["circuit_breakers"]["thresholds"]
    return found["max_connections"], found["max_pending_requests"]


NO_LIMIT = 2**32 - 1
POOL = "{connectionPool: {tcp: {maxConnections: 99}}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 98}}}]}"


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("", 8080, (NO_LIMIT, NO_LIMIT)),
        (rule(POOL), 8080, (98, NO_LIMIT)),
        (rule(POOL), 7000, (99, NO_LIMIT)),
        (rule(POOL), 9001, (NO_LIMIT, NO_LIMIT)),  # of another Service
        # A Sidecar's own pool replaces the rule's; a listener's comes before.
        (INGRESS, 8080, (NO_LIMIT, 3)),
        (INGRESS, 9000, (7, NO_LIMIT)),
        (rule(POOL) + INGRESS, 8080, (NO_LIMIT, 3)),
        (rule(POOL) + sidecar("{inboundConnectionPool: {tcp: {maxConnections: 5}}}"), 7000, (5, NO_LIMIT)),
        # With `ingress` the port of the listener is the one that port-level settings are for.
        (rule(POOL) + sidecar("{ingress: [{port: {number: 8080, protocol: HTTP, name: a}}]}"), 8080, (99, NO_LIMIT)),
        # A Sidecar that does not let the workload's own Service through hides the rule for it.
        (rule(POOL) + sidecar("{egress: [{hosts: [istio-system/*]}]}"), 7000, (NO_LIMIT, NO_LIMIT)),
        (rule(POOL) + sidecar("{egress: [{hosts: [./*]}]}"), 7000, (99, NO_LIMIT)),
        # A rule for some workloads only is for what they call.
        (
            rule(POOL).replace("host: many", "host: many, workloadSelector: {matchLabels: {app: many}}"),
            7000,
            (NO_LIMIT,) * 2,
        ),
    ],
)
def test_limits(text: str, number: int, expected: tuple[int, int]) -> None:
    """The destination enforces its rule's connection pool too, unless its Sidecar says otherwise (`InboundConnectionPoolForPort`)."""
    assert limits(text, number) == expected


def test_retry_budget() -> None:
    """The budget for retries stays, also where the Sidecar has a pool of its own."""
    text = rule("{retryBudget: {percent: 30}}") + sidecar("{inboundConnectionPool: {tcp: {maxConnections: 5}}}")
    (found,) = cluster(text, 7000)["circuit_breakers"]["thresholds"]
    assert found["retry_budget"]["budget_percent"] == {"value": 30}
    assert found["max_connections"] == 5


ENTRY = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %s, namespace: %s}
spec: {hosts: [%s.example.com], resolution: STATIC, %s}
"""


def test_service_entries_say_ports_too() -> None:
    """An entry that selects the workload, or names its address, leads to its ports as a Service does; Services come first."""
    ports_ = "[{number: 80, name: http, protocol: HTTP, targetPort: 5555}, {number: 81, name: web, protocol: TCP}, {number: 7000, name: tcp, protocol: TCP}]"
    found = ports(ENTRY % ("sel", "default", "sel", f"ports: {ports_}, workloadSelector: {{labels: {{app: many}}}}"))
    assert found[5555].protocol is Protocol.HTTP
    assert found[7000].protocol is Protocol.SNIFFED
    assert found[8088].service is not None
    assert found[8088].service.name == "many"
    ports_ = "[{number: 5556, name: http, protocol: HTTP}]"
    found = ports(ENTRY % ("it", "default", "it", f"ports: {ports_}, endpoints: [{{address: 10.20.0.1}}]"))
    assert found[5556].protocol is Protocol.HTTP
    found = ports(
        ENTRY % ("it", "default", "it", f"ports: {ports_}, endpoints: [{{address: 10.20.0.1, ports: {{http: 1}}}}]")
    )
    assert found[1].asked == 5556
    assert 5556 not in found
    found = ports(ENTRY % ("it", "other", "it", f"ports: {ports_}, endpoints: [{{address: 10.20.0.1}}]"))
    assert 5556 not in found
