"""Hosts outside, on real Envoys: each is a stand-in of its own, and none is asked for beyond this machine."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshtest.meshes.local.mesh import LocalMesh
from meshtest.source import Source
from meshtest.topology.default import default_topology
from tests.meshes.conftest import Town, Unwatched
from tests.meshes.manifests import TCP_ECHO, WEB
from tests.meshes.test_tcp import line, versions
from tests.resources.bookinfo_networking import text


def entry(spec: str, name: str = "it") -> str:
    """A ServiceEntry."""
    return (
        f"---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )


def rule(spec: str, name: str = "it") -> str:
    """A DestinationRule."""
    return f"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def service(spec: str, name: str = "it") -> str:
    """A VirtualService."""
    return (
        f"---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )


MANIFESTS = TCP_ECHO + WEB
HTTP = "{number: 80, name: http, protocol: HTTP}"


def asked(source: Source, url: str, **options: Any) -> dict[str, Any]:
    """What the echo that is reached by a GET says."""
    answer = source.get(url, **options)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("resolution", ["DNS", "DNS_ROUND_ROBIN", "NONE"])
def test_a_host_is_a_stand_in_of_its_own(town: Town, resolution: str) -> None:
    """However its address would be found, a host of a ServiceEntry answers as itself, and is forgotten with the entry."""
    town.put(entry(f"hosts: [api.example.com], ports: [{HTTP}], resolution: {resolution}"))
    said = asked(town.workload(), "http://api.example.com/a?b")
    assert (said["podname"], said["host"], said["path"]) == ("api.example.com", "api.example.com", "/a?b")
    assert asked(town.workload(), "http://other.example.com/")["podname"] == "outside"
    place = town.mesh._sites.host("api.example.com", 80)
    socket.create_connection(place).close()
    town.put("")
    assert asked(town.workload(), "http://api.example.com/")["podname"] == "outside"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)


def test_endpoints(town: Town) -> None:
    """Each endpoint is one stand-in: names and addresses, with their own ports, weights and labels."""
    endpoints = (
        "{address: eu.example.com, ports: {http: 8080}, labels: {version: v1}, weight: 3}",
        "{address: 203.0.113.7, labels: {version: v2}}",
    )
    text = entry(f"hosts: [api.example.com], ports: [{HTTP}], resolution: DNS, endpoints: [{', '.join(endpoints)}]")
    town.put(text)
    said = [asked(town.workload(), "http://api.example.com/") for _ in range(40)]
    assert {(each["podname"], each["version"]) for each in said} == {("eu.example.com", "v1"), ("203.0.113.7", "v2")}
    subset = rule("host: api.example.com, subsets: [{name: v2, labels: {version: v2}}]")
    route = service("hosts: [api.example.com], http: [{route: [{destination: {host: api.example.com, subset: v2}}]}]")
    town.put(text + subset + route)
    assert {asked(town.workload(), "http://api.example.com/")["podname"] for _ in range(20)} == {"203.0.113.7"}


def test_endpoints_within_the_mesh(town: Town) -> None:
    """An endpoint that is a pod, or a name of a Service, is reached where it is and not outside."""
    port = "{number: 80, name: http, protocol: HTTP}"
    for address in (town.address("web-v1"), "web.default.svc.cluster.local"):
        number = 8080 if address[0].isdigit() else 80
        kind = "STATIC" if address[0].isdigit() else "DNS"
        town.put(
            entry(
                f"hosts: [alias.example.com], ports: [{port}], resolution: {kind}, endpoints: [{{address: {address}, ports: {{http: {number}}}}}]"
            )
        )
        said = asked(town.workload("tcp-echo-v1"), "http://alias.example.com/")
        assert said["podname"].startswith("web-v1-"), address


def test_pods_that_an_entry_selects(town: Town) -> None:
    """A ServiceEntry that selects pods names ports of them that no Service does: they are listened on as long as it is there."""
    spec = "hosts: [inner.example.com], location: MESH_INTERNAL, resolution: STATIC, workloadSelector: {labels: {app: web}}"
    town.put(entry(f"{spec}, ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 7070}}]"))
    assert asked(town.workload("tcp-echo-v1"), "http://inner.example.com/")["podname"].startswith("web-v1-")
    site = town.mesh._sites.by_address[town.address("web-v1")]
    socket.create_connection(site.workload(7070)).close()
    town.put("")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(site.workload(7070))


def test_machines_of_a_service(town: Town) -> None:
    """A WorkloadEntry that a Service selects is one more endpoint of it."""
    machine = "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm}\nspec: {address: 192.0.2.44, labels: {app: web, version: vm}}\n"
    town.put(machine)
    said = {asked(town.workload("tcp-echo-v1"), "http://web/")["podname"] for _ in range(40)}
    assert len(said) == 2
    assert "192.0.2.44" in said


def test_tcp_hosts(town: Town) -> None:
    """A TCP port of a host outside echoes lines behind the host's name; by the name, its address, and what lies in its range."""
    by_address = entry(
        "hosts: [db.example.com], addresses: [192.0.2.7], ports: [{number: 3306, name: tcp, protocol: TCP}], resolution: NONE"
    )
    ranges = entry(
        "hosts: [net.example.com], addresses: [198.51.100.0/24], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: NONE",
        "net",
    )
    narrow = entry(
        "hosts: [one.example.com], addresses: [198.51.100.128/25], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: NONE",
        "one",
    )
    anywhere = entry(
        "hosts: [any.example.com], ports: [{number: 5000, name: tcp, protocol: TCP}], resolution: DNS", "any"
    )
    town.put(by_address + ranges + narrow + anywhere)
    expected = {
        "tcp://db.example.com:3306": "db.example.com",
        "tcp://192.0.2.7:3306": "db.example.com",
        "tcp://192.0.2.8:3306": "outside",
        "tcp://198.51.100.5:9000": "net.example.com",
        "tcp://198.51.100.200:9000": "one.example.com",
        "tcp://203.0.113.5:9000": "outside",
        "tcp://any.example.com:5000": "any.example.com",
        "tcp://whatever.example.org:5000": "any.example.com",  # a port without an address is everybody's
        "tcp://whatever.example.org:5001": "outside",
    }
    assert {url: line(town.workload(), url) for url in expected} == {
        url: f"{host} hello\n" for url, host in expected.items()
    }


def test_split_between_hosts_outside(town: Town) -> None:
    """Hosts outside are destinations like others."""
    hosts = "".join(
        entry(f"hosts: [{each}.example.com], ports: [{HTTP}], resolution: DNS", each) for each in ("old", "new")
    )
    route = (
        "route: [{destination: {host: old.example.com}, weight: 1}, {destination: {host: new.example.com}, weight: 1}]"
    )
    town.put(
        hosts
        + service(
            f"hosts: [old.example.com], http: [{{match: [{{uri: {{prefix: /both}}}}], {route}}}, {{route: [{{destination: {{host: old.example.com}}}}]}}]"
        )
    )
    both = {asked(town.workload(), "http://old.example.com/both")["podname"] for _ in range(60)}
    assert both == {"old.example.com", "new.example.com"}
    assert {asked(town.workload(), "http://old.example.com/")["podname"] for _ in range(10)} == {"old.example.com"}


def test_tls_of_hosts_outside(town: Town) -> None:
    """A port of HTTPS speaks TLS, and proves the name that is asked for; in the clear it answers 400; TLS to a plain port is hung up on."""
    ports = "{number: 443, name: tls, protocol: TLS}, {number: 8443, name: https, protocol: HTTPS}, {number: 80, name: http, protocol: HTTP}"
    town.put(entry(f"hosts: ['*.example.com'], ports: [{ports}], resolution: NONE"))
    for url in ("https://api.example.com/a", "https://www.example.com:8443/a"):
        said = asked(town.workload(), url)
        assert (said["podname"], said["path"]) == ("*.example.com", "/a")
        assert said["tls"]["server_name"] == said["host"].partition(":")[0]
    town.put(entry(f"hosts: [api.example.com], ports: [{ports}], resolution: DNS"))
    for port in (443, 8443):
        assert asked(town.workload(), f"https://api.example.com:{port}/")["podname"] == "api.example.com"
    for port in (443, 8443):
        assert httpx.get(place(town, port), trust_env=False).status_code == 400
    with pytest.raises(httpx.TransportError):
        httpx.get(place(town, 80).replace("http:", "https:"), trust_env=False)
    for url in ("http://api.example.com:8443/", "https://api.example.com:80/"):
        with pytest.raises(ValueError, match="so that a sidecar does not read the call"):
            town.workload().get(url)


def place(town: Town, port: int) -> str:
    """Where the stand-in itself is."""
    return "http://{}:{}/".format(*town.mesh._sites.host("api.example.com", port))


def test_unknown_hosts(town: Town) -> None:
    """ALLOW_ANY: a call to a host that nobody knows reaches the stand-in for all of them, in the clear and with TLS, on any port."""
    for url in (
        "http://a.example.org/",
        "http://a.example.org:8765/",
        "https://a.example.org/",
        "https://a.example.org:8443/",
    ):
        said = asked(town.workload(), url)
        assert (said["podname"], said["host"]) == ("outside", url.split("/")[2])
    assert line(town.workload(), "tcp://a.example.org:4444") == "outside hello\n"
    assert town.workload().get("http://a.example.org:443/").status_code == 400, "in the clear to a port of TLS"


ORIGINATION = entry(
    f"hosts: [www.example.com], ports: [{HTTP}, {{number: 443, name: https, protocol: HTTPS}}], resolution: DNS"
) + service(
    "hosts: [www.example.com], http: [{match: [{port: 80}], route: [{destination: {host: www.example.com, port: {number: 443}}}]}]"
)


def originating(tls: str) -> str:
    """The DestinationRule that makes port 443 be called with TLS."""
    return rule(f"host: www.example.com, trafficPolicy: {{portLevelSettings: [{{port: {{number: 443}}, tls: {tls}}}]}}")


def test_tls_that_the_sidecar_begins(town: Town) -> None:
    """A plain request leaves with TLS that the DestinationRule asks for; without the rule it is a plain one to a port of TLS."""
    town.put(ORIGINATION)
    assert town.workload().get("http://www.example.com/").status_code == 400
    town.put(ORIGINATION + originating("{mode: SIMPLE}"))
    assert asked(town.workload(), "http://www.example.com/")["tls"] == {"server_name": "www.example.com", "client": []}
    town.put(ORIGINATION + originating("{mode: SIMPLE, sni: other.example.com, subjectAltNames: [www.example.com]}"))
    assert asked(town.workload(), "http://www.example.com/")["tls"]["server_name"] == "other.example.com"
    town.put(ORIGINATION + originating("{mode: SIMPLE, subjectAltNames: [wrong.example.com]}"))
    assert town.workload().get("http://www.example.com/").status_code == 503
    files = "clientCertificate: /etc/c.pem, privateKey: /etc/k.pem, caCertificates: /etc/ca.pem"
    town.put(ORIGINATION + originating(f"{{mode: MUTUAL, {files}}}"))
    client = asked(town.workload(), "http://www.example.com/")["tls"]["client"]
    assert client == ["spiffe://cluster.local/ns/default/sa/default"]


def test_a_plain_port_that_leads_to_443(town: Town) -> None:
    """The other usual way: a port in the clear whose target is 443."""
    port = "{number: 80, name: http, protocol: HTTP, targetPort: 443}"
    text = entry(f"hosts: [www.example.com], ports: [{port}], resolution: DNS")
    town.put(text + rule("host: www.example.com, trafficPolicy: {tls: {mode: SIMPLE}}"))
    assert asked(town.workload(), "http://www.example.com/")["tls"]["server_name"] == "www.example.com"
    town.put(text)
    assert town.workload().get("http://www.example.com/").status_code == 400


def test_http2_hosts(town: Town) -> None:
    """A port of HTTP/2 or gRPC is reached; the last hop to a stand-in is HTTP/1.1."""
    town.put(entry("hosts: [grpc.example.com], ports: [{number: 80, name: grpc, protocol: GRPC}], resolution: DNS"))
    assert asked(town.workload(), "http://grpc.example.com/pkg.Service/Method")["podname"] == "grpc.example.com"


def test_istios_own_sample(bookinfo: LocalMesh, put: Any) -> None:
    """egress-rule-google-apis.yaml does what it is for."""
    put(text("egress-rule-google-apis"))
    source = Source(bookinfo, "productpage-v1", 16, Unwatched())
    assert asked(source, "http://www.googleapis.com/books")["tls"]["server_name"] == "www.googleapis.com"


ECHO = """
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{name: http, port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template: {metadata: {labels: {app: echo}}, spec: {containers: [{name: main, image: example/echo}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}
"""


def test_registry_only(tmp_path: Path) -> None:
    """What is not known is answered 502, and a connection is closed; what a ServiceEntry names goes out."""
    file = tmp_path / "echo.yaml"
    file.write_text(ECHO)
    mesh = LocalMesh(default_topology([file]))
    try:
        mesh.wait_ready()
        town = Town(mesh)
        source = town.workload("echo")
        assert source.get("http://api.example.com:8080/").status_code == 502
        for url in ("tcp://api.example.com:9999", "tcp://192.0.2.1:80"):
            assert line(source, url) == ""
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            source.connect("tls://api.example.com")
        town.put(
            entry("hosts: [api.example.com], ports: [{number: 8080, name: http, protocol: HTTP}], resolution: DNS")
            + entry(
                "hosts: [tcp.example.com], ports: [{number: 9999, name: tcp, protocol: TCP}], resolution: DNS", "tcp"
            )
        )
        assert asked(source, "http://api.example.com:8080/")["podname"] == "api.example.com"
        assert source.get("http://other.example.com:8080/").status_code == 502
        assert versions(source, "tcp://tcp.example.com:9999", 3) == {"tcp.example.com": 3}
    finally:
        mesh.close()


SIDECAR = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: it}
spec: {egress: [{hosts: ["./tcp-echo.default.svc.cluster.local"]}], outboundTrafficPolicy: {mode: MODE}}
"""


def test_a_sidecar_that_blocks_the_rest(town: Town) -> None:
    """With REGISTRY_ONLY a workload reaches what its Sidecar lets through, and nothing else."""
    town.put(SIDECAR.replace("MODE", "REGISTRY_ONLY"))
    assert line(town.workload(), "tcp://tcp-echo:9000")[3:] == " hello\n"
    assert line(town.workload("tcp-echo-v1"), "tcp://web:80") == ""
    with pytest.raises(httpx.TransportError):
        town.workload("tcp-echo-v1").get("http://web/")
    assert line(town.workload(), "tcp://a.example.org:4444") == ""


def test_a_sidecar_that_lets_the_rest_through(town: Town) -> None:
    """With ALLOW_ANY what a Sidecar leaves out arrives all the same, but no rule counts for it."""
    abort = service(
        "hosts: [web], http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: web}}]}]"
    )
    town.put(abort)
    assert town.workload("tcp-echo-v1").get("http://web/").status_code == 418
    town.put(abort + SIDECAR.replace("MODE", "ALLOW_ANY"))
    for host in ("web", "web.default.svc.cluster.local"):
        assert asked(town.workload("tcp-echo-v1"), f"http://{host}/")["podname"].startswith("web-v1-")
    assert asked(town.workload("tcp-echo-v1"), "https://web/")["podname"].startswith("web-v1-")
    with pytest.raises(ValueError, match="has no port 81"):
        town.workload("tcp-echo-v1").get("http://web:81/")


def test_bookinfo_with_a_sidecar(bookinfo: LocalMesh, put: Any) -> None:
    """The stand-ins themselves follow: productpage still finds reviews that its Sidecar leaves out, and not when that is blocked."""
    gateway = "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n"
    page = service("hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: productpage}}]}]", "page")
    only = "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: it}\nspec: {workloadSelector: {labels: {app: productpage}}, outboundTrafficPolicy: {mode: MODE}, egress: [{hosts: [HOSTS]}]}\n"
    ingress = Source(bookinfo, None, 16, Unwatched())
    for mode, hosts, status in (
        ("ALLOW_ANY", "./details.default.svc.cluster.local", 200),
        ("REGISTRY_ONLY", "./details.default.svc.cluster.local", 502),
        ("ALLOW_ANY", "~/*", 200),
        ("REGISTRY_ONLY", "~/*", 500),
    ):
        put(gateway + page + only.replace("MODE", mode).replace("HOSTS", hosts))
        answer = ingress.get("/api/v1/products/0/reviews")
        assert answer.status_code == status, (mode, hosts, answer.text)
    put(gateway + page)
    assert json.loads(ingress.get("/api/v1/products/0/reviews").text)["podname"].startswith("reviews-v")
