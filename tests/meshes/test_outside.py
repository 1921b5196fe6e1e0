"""Which stand-ins hosts outside need, told without processes."""

from __future__ import annotations

import pytest

from meshtest.meshes.local.outside import Outside, hosts_outside
from meshtest.meshes.local.stand_in import additional, speaks_tls, workloads
from meshtest.meshes.stand_in import kind_of
from tests.meshes.manifests import DATABASE, TCP_ECHO, WEB
from tests.meshes.places import placed
from tests.translate.snapshots import snapshot, topology


def entry(spec: str, name: str = "it") -> str:
    """A ServiceEntry."""
    return (
        f"---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )


def found(text: str) -> dict[str, str]:
    """What the stand-ins speak, by host and port."""
    return {f"{host}:{port}": each.speech for (host, port), each in hosts_outside(snapshot(text, WEB)).items()}


@pytest.mark.parametrize(
    ("protocol", "speech"),
    [
        *((protocol, "http") for protocol in ("HTTP", "HTTP2", "GRPC", "GRPC-Web", "HTTP_PROXY")),
        *((protocol, "any") for protocol in ("TCP", "MONGO", "MySQL", "Redis", '""')),
        *(("HTTPS", "https"), ("TLS", "tls")),
    ],
)
def test_protocols(protocol: str, speech: str) -> None:
    """A port speaks what its protocol says, and TLS too if its number is 443."""
    port = f"{{number: NUMBER, name: a, protocol: {protocol}}}"
    text = entry(f"hosts: [a.org], ports: [{port}], resolution: DNS")
    assert found(text.replace("NUMBER", "9000")) == {"a.org:9000": speech}
    secured = {"http": "https", "any": "tls"}.get(speech, speech)
    assert found(text.replace("NUMBER", "443")) == {"a.org:443": secured}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # a port without more to say goes to its own number, or to its target
        ("hosts: [a.org], resolution: DNS", {"a.org:80"}),
        ("hosts: [a.org, b.org], resolution: DNS", {"a.org:80", "b.org:80"}),
        ("hosts: [a.org], resolution: NONE", {"a.org:80"}),
        ("hosts: ['*.org'], resolution: NONE", {"*.org:80"}),
        ("hosts: [a.org], addresses: [192.0.2.0/24], resolution: NONE", {"a.org:80"}),
        # endpoints instead of the host
        (
            "hosts: [a.org], resolution: DNS, endpoints: [{address: b.org}, {address: c.org, ports: {a: 8080}}]",
            {"b.org:80", "c.org:8080"},
        ),
        ("hosts: [a.org], resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.org}]", {"b.org:80"}),
        (
            "hosts: [a.org], resolution: STATIC, endpoints: [{address: 192.0.2.1}, {address: '2001:db8::1'}]",
            {"192.0.2.1:80", "2001:db8::1:80"},
        ),
        ("hosts: [a.org], resolution: STATIC", set()),
        # what is within the mesh needs no stand-in
        (
            "hosts: [a.org], resolution: DNS, endpoints: [{address: web.default.svc.cluster.local}, {address: web.default}]",
            set(),
        ),
        ("hosts: [a.org], resolution: STATIC, endpoints: [{address: POD}]", set()),
        ("hosts: [a.org], resolution: STATIC, location: MESH_INTERNAL, workloadSelector: {labels: {app: web}}", set()),
    ],
)
def test_what_an_entry_leads_to(spec: str, expected: set[str]) -> None:
    """Each endpoint that nobody in the mesh has is a host outside."""
    pod = topology(WEB).names["web-v1"][0].address
    text = entry(f"{spec.replace('POD', pod)}, ports: [{{number: 80, name: a, protocol: HTTP}}]")
    assert set(found(text)) == expected


def test_a_target_port() -> None:
    """A plain port whose target is 443 leads to TLS."""
    assert found(
        entry("hosts: [a.org], resolution: DNS, ports: [{number: 80, name: a, protocol: HTTP, targetPort: 443}]")
    ) == {"a.org:443": "https"}
    assert found(
        entry("hosts: [a.org], resolution: NONE, ports: [{number: 80, name: a, protocol: HTTP, targetPort: 443}]")
    ) == {"a.org:443": "https"}


def test_one_port_of_two_entries() -> None:
    """Two entries that lead to the same port share a stand-in, which speaks what both want and proves both names."""
    endpoints = "resolution: DNS, endpoints: [{address: c.org}]"
    text = entry(f"hosts: [a.org], {endpoints}, ports: [{{number: 80, name: a, protocol: HTTP}}]", "a")
    text += entry(f"hosts: [b.org], {endpoints}, ports: [{{number: 80, name: a, protocol: TLS}}]", "b")
    assert hosts_outside(snapshot(text)) == {("c.org", 80): Outside("c.org", 80, True, True, ("a.org", "b.org"))}


def test_names_to_prove() -> None:
    """A stand-in proves the hosts of its entry, the names that the entry says, and its own address."""
    text = entry(
        "hosts: [a.org], subjectAltNames: ['spiffe://x/y'], resolution: STATIC, endpoints: [{address: 192.0.2.1, labels: {version: v7}}], ports: [{number: 1, name: a, protocol: TLS}]"
    )
    (made,) = hosts_outside(snapshot(text)).values()
    assert (made.names, made.version) == (("a.org", "spiffe://x/y", "192.0.2.1"), "v7")


def test_connections_that_a_rule_passes_through() -> None:
    """Where a DestinationRule says PASSTHROUGH, connections go on to the host itself, whatever its endpoints."""
    rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: it}\nspec: {host: a.org, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}\n"
    text = entry(
        "hosts: [a.org], resolution: STATIC, endpoints: [{address: 192.0.2.1}], ports: [{number: 80, name: a, protocol: HTTP}]"
    )
    assert set(found(text + rule)) == {"192.0.2.1:80", "a.org:80"}


def test_machines() -> None:
    """A WorkloadEntry that a Service of Kubernetes selects is outside too."""
    machine = "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm}\nspec: {address: 192.0.2.9, labels: {app: web}}\n"
    assert found(machine) == {"192.0.2.9:8080": "http", "192.0.2.9:8443": "https"}


def test_workloads() -> None:
    """What stands in for workloads: programs that are known by their image speak what they do, others what their ports say."""
    given = topology(TCP_ECHO + WEB + DATABASE)
    made = workloads(given, placed(given))
    kinds = {name: kind_of(instances[0]) for name, instances in given.names.items()}
    assert (kinds["reviews-v2"], kinds["tcp-echo-v1"], kinds["web-v1"]) == ("reviews", "lines", "echo")
    spoken = {each["workload"]: [word for *_, word in each["listen"]] for each in made.values()}
    assert (spoken["reviews-v2"], spoken["outside"]) == (["http"], ["all"])
    assert (spoken["tcp-echo-v2"], spoken["web-v1"], spoken["db"]) == (["tcp", "tcp"], ["http", "tls"], ["any", "http"])
    assert [each["workload"] for each in made.values() if speaks_tls(each)] == ["web-v1"]
    prefixes = {each["workload"]: each.get("prefix") for each in made.values()}
    assert (prefixes["tcp-echo-v1"], prefixes["tcp-echo-v2"], prefixes["web-v1"]) == ("one", "two", "")
    (web,) = [each for each in made.values() if each["workload"] == "web-v1"]
    assert web["certified"] == ["web.default.svc.cluster.local", "web.default", "web"]


SIDECAR = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: it}
spec:
  workloadSelector: {labels: {app: APP}}
  ingress:
  - {port: {number: 7001, name: a, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8080'}
  - {port: {number: 7002, name: b, protocol: HTTP}}
  - {port: {number: 7003, name: c, protocol: HTTP}, defaultEndpoint: '127.0.0.1:7777'}
"""


def test_ports_that_only_resources_name() -> None:
    """A Sidecar says that a workload listens on a port; a port that it hands calls to is one only if the workload has it anyway."""
    given = snapshot(SIDECAR.replace("APP", "web"), WEB)
    made = additional(given, placed(given.topology))
    name = given.topology.names["web-v1"][0].name
    assert {key: each["podname"] for key, each in made.items()} == {f"{name}.default:7002": name}
    given = snapshot(SIDECAR.replace("APP", "reviews"), WEB)
    assert additional(given, placed(given.topology)) == {}, "Bookinfo's programs have one port"


@pytest.mark.parametrize(("declared", "listens"), [("", True), ("7002, 8080", True), ("8080", False)])
def test_ports_that_containers_list(declared: str, listens: bool) -> None:
    """Containers that list their ports listen on no others, whatever a resource says."""
    ports = "".join(f"{{containerPort: {each}}}, " for each in declared.split(", ") if each)
    web = WEB.replace(
        "image: example/web",
        f"image: example/web, ports: [{ports.removesuffix(', ')}]" if ports else "image: example/web",
    )
    given = snapshot(SIDECAR.replace("APP", "web"), web)
    name = given.topology.names["web-v1"][0].name
    assert (f"{name}.default:7002" in additional(given, placed(given.topology))) is listens
