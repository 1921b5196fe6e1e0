"""What explain says of TLS and TCP is what Envoy does: the same connections, told and made."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from meshtest.errors import MeshError
from meshtest.explain.call import call
from meshtest.explain.hop import Hop
from meshtest.explain.journey import explain
from meshtest.explain.text import lines
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.meshes.protocol import Target
from meshtest.resources.manifest import check, read_objects
from meshtest.topology.default import default_topology
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

CALLER = "caller"
_PODS = "".join(
    f"""
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec: {{selector: {{matchLabels: {labels}}}, template: {{metadata: {{labels: {labels}}}, spec: {{containers: [{{name: a}}]}}}}}}
"""
    for name, labels in (
        ("echo-v1", "{app: echo, version: v1}"),
        ("echo-v2", "{app: echo, version: v2}"),
        (CALLER, "{app: caller}"),
    )
)
MANIFESTS = f"""
apiVersion: v1
kind: Service
metadata: {{name: echo}}
spec: {{selector: {{app: echo}}, clusterIP: 10.96.0.77, ports: [{{name: tcp, port: 9000}}, {{name: http, port: 80, targetPort: 8080}}, {{name: guess, port: 7000}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: caller}}
spec: {{selector: {{app: caller}}, ports: [{{name: http, port: 8000}}]}}
{_PODS}"""


def resource(kind: str, name: str, **spec: Any) -> Json:
    """A resource of Istio's."""
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def port(number: int, name: str, protocol: str) -> Json:
    """A port of a server or a ServiceEntry."""
    return {"number": number, "name": name, "protocol": protocol}


FIXED = [
    resource(
        "DestinationRule",
        "echo",
        host="echo",
        subsets=[{"name": f"v{n}", "labels": {"version": f"v{n}"}} for n in (1, 2)],
    ),
    resource(
        "ServiceEntry",
        "tls",
        hosts=["one.example.com", "two.example.com"],
        ports=[port(443, "tls", "TLS")],
        resolution="DNS",
    ),
    resource("ServiceEntry", "api", hosts=["api.example.com"], ports=[port(80, "http", "HTTP")], resolution="DNS"),
    resource(
        "ServiceEntry",
        "db",
        hosts=["db.example.com"],
        addresses=["192.0.2.7"],
        ports=[port(3306, "tcp", "TCP")],
        resolution="DNS",
    ),
    resource(
        "ServiceEntry",
        "net",
        hosts=["net.example.com"],
        addresses=["198.51.100.0/24"],
        ports=[port(9000, "tcp", "TCP")],
        resolution="NONE",
    ),
]

NAMES = ["one.example.com", "two.example.com", "three.example.com", "api.example.com"]
ANY = "*.example.com"
HOSTS = st.sampled_from([NAMES[:1], NAMES[1:2], NAMES[:2], NAMES[1:3], [ANY], [ANY]])
TO_TLS = st.sampled_from(["one.example.com", "two.example.com"]).map(
    lambda host: [{"destination": {"host": host, "port": {"number": 443}}}]
)
TO_TCP = st.sampled_from(
    [
        *([{"destination": {"host": "echo", "port": {"number": 9000}, "subset": f"v{n}"}}] for n in (1, 2, 3)),
        [{"destination": {"host": "echo", "port": {"number": 9000}, "subset": f"v{n}"}, "weight": n} for n in (1, 2)],
        [{"destination": {"host": "db.example.com", "port": {"number": 3306}}}],
    ]
)
SOURCE = st.sampled_from(
    [{}, {}, {}, {"sourceLabels": {"app": CALLER}}, {"sourceLabels": {"app": "other"}}, {"gateways": ["mesh"]}]
)


def tls(ports: list[int], more: st.SearchStrategy[Json], **spec: Any) -> st.SearchStrategy[Json]:
    """A VirtualService with `tls` rules; `more` are other fields of their matches."""

    def rules(hosts: list[str]) -> st.SearchStrategy[Json]:
        names = st.sampled_from([*NAMES[:3], ANY] if ANY in hosts else hosts)
        match = st.builds(lambda name, number, rest: {"sniHosts": [name], **number, **rest}, names, _ports(ports), more)
        rule = st.builds(lambda match, to: {"match": [match], "route": to}, match, TO_TLS)
        return st.lists(rule, min_size=1, max_size=3).map(lambda found: {"hosts": hosts, "tls": found, **spec})

    return HOSTS.flatmap(rules)


def tcp_rules(ports: list[int], more: st.SearchStrategy[Json]) -> st.SearchStrategy[list[Json]]:
    """`tcp` rules."""
    match = st.builds(lambda number, rest: [{**number, **rest}] if {**number, **rest} else [], _ports(ports), more)
    rule = st.builds(lambda match, to: {**({"match": match} if match else {}), "route": to}, match, TO_TCP)
    return st.lists(rule, min_size=1, max_size=3)


def _ports(numbers: list[int]) -> st.SearchStrategy[Json]:
    return st.sampled_from([{}, *({"port": number} for number in numbers)])


SUBNETS = st.sampled_from(
    [{}, {"destinationSubnets": ["198.51.100.0/25"]}, {"destinationSubnets": ["192.0.2.7", "10.96.0.77"]}]
)
SERVERS = st.fixed_dictionaries(
    {},
    optional={
        "https": st.builds(
            lambda hosts: {
                "port": port(443, "https", "HTTPS"),
                "hosts": hosts,
                "tls": {"mode": "SIMPLE", "credentialName": "x"},
            },
            HOSTS,
        ),
        "passed": st.builds(
            lambda hosts: {"port": port(15443, "tls", "TLS"), "hosts": hosts, "tls": {"mode": "PASSTHROUGH"}}, HOSTS
        ),
        "same": st.builds(
            lambda hosts: {"port": port(443, "tls-too", "TLS"), "hosts": hosts, "tls": {"mode": "PASSTHROUGH"}}, HOSTS
        ),
        "tcp": st.just({"port": port(31400, "tcp", "TCP"), "hosts": ["*"]}),
        "http": st.just({"port": port(80, "http", "HTTP"), "hosts": ["*.example.com"]}),
    },
).filter(bool)
EDGE = st.sampled_from([{}, {}, {"gateways": ["edge"]}])
SPECS = st.one_of(
    tls([443, 15443], EDGE, gateways=["edge"]),
    st.builds(lambda rules: {"hosts": ["*"], "gateways": ["edge"], "tcp": rules}, tcp_rules([31400, 31401], EDGE)),
    st.builds(
        lambda hosts, path: {
            "hosts": hosts,
            "gateways": ["edge"],
            "http": [
                {
                    "match": [{"uri": {"prefix": path}}],
                    "route": [{"destination": {"host": "echo", "port": {"number": 80}}}],
                }
            ],
        },
        HOSTS,
        st.sampled_from(["/", "/other"]),
    ),
    tls([443, 444], SOURCE),
    st.builds(
        lambda host, rules: {"hosts": [host], "tcp": rules},
        st.sampled_from(["echo", "db.example.com", "net.example.com"]),
        tcp_rules([9000, 3306], st.builds(lambda one, two: {**one, **two}, SOURCE, SUBNETS)),
    ),
    st.builds(
        lambda path: {
            "hosts": ["echo"],
            "http": [{"match": [{"uri": {"prefix": path}}], "route": [{"destination": {"host": "echo"}}]}],
        },
        st.sampled_from(["/", "/other"]),
    ),
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Json]:
    """A Gateway, hosts outside, and some VirtualServices."""
    servers = [*draw(SERVERS).values()]
    rules = [
        resource("VirtualService", f"vs{number}", **spec)
        for number, spec in enumerate(draw(st.lists(SPECS, min_size=1, max_size=5)))
    ]
    return [resource("Gateway", "edge", selector={"istio": "ingressgateway"}, servers=servers), *FIXED, *rules]


FROM_OUTSIDE = [
    *(f"{scheme}://{name}:{number}" for scheme in ("https", "tls") for name in NAMES for number in (443, 15443)),
    *(
        "tcp://any.example.com:31400",
        "http://one.example.com/",
        "http://api.example.com/",
        "http://one.example.com:443/",
    ),
]
FROM_INSIDE = [
    *(f"{scheme}://{name}" for scheme in ("https", "tls") for name in NAMES),
    *(
        "tcp://echo:9000",
        "tcp://10.96.0.77:9000",
        "http://echo/",
        "http://echo:7000/",
        "tcp://echo:7000",
        "tcp://echo:9009",
    ),
    *("tcp://db.example.com:3306", "tcp://192.0.2.7:3306", "tcp://192.0.2.8:3306", "tcp://net.example.com:9000"),
    *("tcp://198.51.100.9:9000", "tcp://198.51.100.200:9000", "tcp://198.51.101.9:9000", "http://api.example.com/"),
    *("http://echo:9000/",),
]


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh with a Service of each sort, one for all tests of a process."""
    manifests = tmp_path_factory.mktemp("town") / "manifests.yaml"
    manifests.write_text(MANIFESTS)
    mesh = LocalMesh(default_topology([manifests]))
    try:
        mesh.wait_ready()
        yield mesh
    finally:
        mesh.close()


def answered(target: Target, url: str) -> str:
    """Who answers a line, or a request; `HTTP 404` for an answer of a proxy's own, empty if nobody does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asking = b"hello\n" if url[0] == "t" else f"GET / HTTP/1.1\r\nhost: {target.host}\r\n\r\n".encode()
    try:
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(socket.create_connection(target.address, 20, (target.source or "", 0)))
            if target.server_name is not None:
                client = stack.enter_context(context.wrap_socket(client, server_hostname=target.server_name or None))
            client.sendall(asking)
            said = client.recv(10_000).decode()
    except (ConnectionError, ssl.SSLError):
        return ""
    if not said.startswith("HTTP/"):
        return said.partition(" ")[0]
    found = re.search(r"\{.*\}", said)
    return str(json.loads(found[0])["podname"]) if found else f"HTTP {said.split()[1]}"


def expected(hop: Hop) -> set[str]:
    """Who may answer, as the explanation has it."""
    if hop.end:
        return {f"HTTP {hop.end.status}" if hop.end.status else ""}
    out: set[str] = set()
    for onward in hop.onward:
        found = onward.destination
        if onward.end and onward.end.taken is False:
            out.add(f"HTTP {onward.end.status}" if onward.end.status else "")
        elif found.cluster == "PassthroughCluster":
            out.add("outside")
        elif onward.end and not found.endpoints:
            out.add(found.host)  # a stand-in for all that it may stand for
        out |= {each.address for each in found.endpoints if each.instance is None}
        for behind in onward.hops:
            ends = [*behind.ends()]
            pods = {
                each.instance.name for each in found.endpoints if each.instance and behind.proxy in each.instance.name
            }
            out |= pods if all(each.taken for each in ends) else {""}
    return out


@settings(
    deadline=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(worlds())
def test_the_same_end(town: LocalMesh, world: list[Json]) -> None:
    """For any rules: who answers connections from outside and from a workload, or that nobody does."""
    resources = check(read_objects(world))
    try:
        town.put({each.key: each for each in resources})
    except MeshError as error:
        # Two rules for the same subnets, or for a name that another server has, too: istiod does not look either.
        assert re.search("has the same matching rules|overlapping matching rules", str(error)), error
        assume(False)
    snapshot = Snapshot(town.topology, resources)
    for url, source in [*((url, None) for url in FROM_OUTSIDE), *((url, CALLER) for url in FROM_INSIDE)]:
        proxy = Proxy(town.topology.names[CALLER][0]) if source else None
        found = explain(snapshot, call(url), proxy)
        shown = "\n".join([*lines(found), *map(json.dumps, world)])
        try:
            target = town.leave(source, url) if source else town.enter(url)
        except (MeshError, ValueError) as error:
            assert found.taken is False, f"{error}\n{shown}"
            continue
        who = answered(target, url)
        assert who in expected(found.first), f"answered by {who or 'nobody'}, not {expected(found.first)}\n{shown}"
