"""Services as istiod sees them."""

from __future__ import annotations

from typing import Any

import pytest

from meshtest.errors import ResourceError
from meshtest.resources.manifest import read_objects, read_text
from meshtest.resources.problem import WrongResources
from meshtest.topology.protocol import Protocol, of_kubernetes_port, parsed
from meshtest.topology.service import Service, exported
from meshtest.topology.topology import topology


@pytest.mark.parametrize(
    ("name", "number", "app_protocol", "wanted"),
    [
        *(("http", 1, None, "HTTP"), ("http-web", 1, None, "HTTP"), ("HTTP-Web", 1, None, "HTTP")),
        *(("http2", 1, None, "HTTP2"), ("grpc-a", 1, None, "GRPC"), ("httpweb", 1, None, "sniffed")),
        *(("grpc-web", 1, None, "GRPC-WEB"), ("grpc-web-a", 1, None, "GRPC-WEB"), ("x", 1, "grpc-web", "GRPC-WEB")),
        *(("https", 1, None, "HTTPS"), ("tls-a", 1, None, "TLS"), ("tcp", 1, None, "TCP")),
        *(("mysql", 1, None, "MYSQL"), ("redis", 1, None, "REDIS"), ("mongo-x", 1, None, "MONGO")),
        *(("web", 1, None, "sniffed"), ("", 80, None, "sniffed"), ("", 3306, None, "TCP")),
        *(("db", 27017, None, "TCP"), ("http", 3306, None, "HTTP"), ("x", 3306, "mine", "TCP")),
        *(("tcp", 1, "http", "HTTP"), ("tcp", 1, "http-web", "HTTP"), ("http", 1, "tcp", "TCP")),
        *(("http", 1, "mine", "sniffed"), ("http", 1, "", "sniffed"), ("udp", 1, None, "UDP")),
        *(("x", 1, "kubernetes.io/h2c", "HTTP2"), ("x", 1, "kubernetes.io/ws", "HTTP")),
        ("x", 1, "kubernetes.io/wss", "HTTPS"),
    ],
)
def test_protocols(name: str, number: int, app_protocol: str | None, wanted: str) -> None:
    """The protocol is told by `appProtocol`, else by the port's name, else by a few numbers, else sniffed."""
    assert of_kubernetes_port(name, number, app_protocol) is Protocol(wanted)


@pytest.mark.parametrize("protocol", [each for each in Protocol if each is not Protocol.SNIFFED])
def test_a_protocol_is_one_thing(protocol: Protocol) -> None:
    """A protocol is HTTP or bytes, and is found by its name however that is written."""
    assert parsed(protocol.value.lower()) is parsed(protocol.value.title()) is protocol
    assert protocol.http + protocol.tcp == (protocol is not Protocol.UDP)
    assert protocol.http or not protocol.http2
    assert protocol.tcp or not protocol.tls


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([], {"*"}),
        (["*"], {"*"}),
        (["."], {"own"}),
        (["own", "."], {"own"}),
        ([".", "a"], {"own", "a"}),
        (["~"], set()),
        (["a", "*"], {"*"}),
    ],
)
def test_exported(names: list[str], wanted: set[str]) -> None:
    """What is exported to all needs no more names; `.` is the own namespace, `~` none."""
    assert exported(names, "own") == wanted


def services(*specs: dict[str, Any]) -> tuple[Service, ...]:
    """Services s0, s1... with these specs."""
    objects = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{n}"}, "spec": spec}
        for n, spec in enumerate(specs)
    ]
    return topology(read_objects(objects)).services


def test_addresses() -> None:
    """A Service has its own address, or one that no other has; a headless one has none."""
    given, free, headless, other = services({"clusterIP": "10.96.128.1"}, {}, {"clusterIP": "None"}, {"clusterIP": ""})
    assert (given.address, headless.address) == ("10.96.128.1", "")
    assert len({given.address, free.address, other.address}) == 3
    assert given.hostname == "s0.default.svc.cluster.local"


def test_ports() -> None:
    """A target is a number or a name, by default the port itself; what is UDP stays so."""
    ports = [
        {"port": 80},
        {"port": 81, "targetPort": 8081},
        {"port": 82, "targetPort": "web"},
        {"port": 53, "protocol": "UDP"},
        {"port": 83, "targetPort": 0},
    ]
    (service,) = services({"ports": ports})
    found = [(each.number, each.target) for each in service.ports]
    assert found == [(80, 80), (81, 8081), (82, "web"), (53, 53), (83, 83)]
    assert [each.number for each in service.ports if each.protocol is Protocol.UDP] == [53]


def test_selectors() -> None:
    """A Service stands for the pods with all its labels; one without a selector for none."""
    one, none, null = services(
        {"selector": {"app": "a", "v": "1"}}, {}, {"selector": None, "ports": None, "type": None}
    )
    assert one.selects({"app": "a", "v": "1", "x": "y"})
    assert not one.selects({"app": "a"})
    assert not none.selects({"app": "a"})
    assert not null.selects({})


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  "


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("ports: {}", "5: Service default/web spec.ports: must be a list"),
        ("ports: [80]", "5: Service default/web spec.ports[0]: must be a mapping; this is the number 80"),
        ("ports: [{name: http}]", "spec.ports[0]: the field 'port' is missing"),
        ("ports: [{port: 0}]", "spec.ports[0].port: must be from 1 to 65535; this is 0"),
        ("ports: [{port: '80'}]", "must be a whole number; this is the text '80': take the quotes away"),
        ("ports: [{port: 80, targetPort: [1]}]", "must be the number or the name of a port; this is a list"),
        ("ports: [{port: 80, targetPort: ''}]", "must be the number or the name of a port"),
        ("ports: [{port: 80, name: 5}]", "must be a text; this is the number 5"),
        ("selector: [a]", "spec.selector: must be a mapping; this is a list"),
        ("selector: {a: 1}", "spec.selector.a: must be a text; this is the number 1"),
        ("clusterIP: here", "spec.clusterIP: must be an IP address, or None"),
        (
            "type: Cluster",
            "must be one of ClusterIP, NodePort, LoadBalancer; this is the text 'Cluster'; did you mean 'ClusterIP'?",
        ),
    ],
)
def test_wrong_services(spec: str, said: str) -> None:
    """What Kubernetes refuses is refused with file, line and path."""
    with pytest.raises(ResourceError) as caught:
        topology(read_text(SERVICE + spec, "f.yaml"))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (SERVICE + "type: ExternalName", "spec.type"),
        (SERVICE + "internalTrafficPolicy: Local", "spec.internalTrafficPolicy"),
        (SERVICE + "trafficDistribution: PreferClose", "spec.trafficDistribution"),
        (
            SERVICE.replace(
                "name: web", "name: web, annotations: {networking.istio.io/traffic-distribution: PreferClose}"
            ),
            "metadata.annotations.networking.istio.io/traffic-distribution",
        ),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, field: str) -> None:
    """What would change where traffic goes, and is not implemented, is refused, never ignored."""
    with pytest.raises(WrongResources) as caught:
        topology(read_text(text, "f.yaml"))
    assert caught.value.unsupported
    assert [problem.field for problem in caught.value.problems] == [field]


def test_what_is_the_default_is_taken() -> None:
    """Settings that say what holds anyway are no reason to refuse."""
    text = (
        SERVICE.replace("name: web", "name: web, annotations: {networking.istio.io/exportTo: '*'}")
        + "internalTrafficPolicy: Cluster"
    )
    assert len(topology(read_text(text, "f.yaml")).services) == 1
