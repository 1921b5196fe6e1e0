"""TLS at the gateway, on real Envoys: ended, asked of clients too, passed through; with certificates made here or brought along."""

from __future__ import annotations

import base64
import socket
import ssl
import textwrap
from pathlib import Path

import httpx
import pytest

from meshtest.authority import Authority
from meshtest.errors import ResourceError
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.source import Source
from meshtest.topology.default import default_topology
from tests.meshes.conftest import Town
from tests.meshes.manifests import TCP_ECHO, WEB
from tests.meshes.test_tcp import line


def secret(name: str, data: dict[str, str], namespace: str = "istio-system", plain: bool = False) -> str:
    """A Kubernetes Secret."""
    field = "stringData" if plain else "data"
    text = f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n{field}:\n"
    for key, value in data.items():
        if plain:
            text += f"  {key}: |\n" + textwrap.indent(value, "    ")
        else:
            text += f"  {key}: {base64.b64encode(value.encode()).decode()}\n"
    return text


COMPANY, STRANGER = Authority.new(), Authority.new()
WEB_PAIR, GENERIC_PAIR, CLIENT_PAIR = (
    COMPANY.certificate(f"{name}.example.com") for name in ("web", "generic", "client")
)
MANIFESTS = (
    TCP_ECHO
    + WEB
    + secret("web", {"tls.crt": WEB_PAIR[0], "tls.key": WEB_PAIR[1], "ca.crt": COMPANY.pem})
    + secret("generic", {"cert": GENERIC_PAIR[0], "key": GENERIC_PAIR[1]}, plain=True)
    + secret("generic-cacert", {"cacert": COMPANY.pem})
    + secret("client", {"tls.crt": CLIENT_PAIR[0], "tls.key": CLIENT_PAIR[1]})
    + secret("empty", {"other": "x"})
    + secret("nonsense", {"tls.crt": "x", "tls.key": "y"})
    + secret("mixed", {"tls.crt": WEB_PAIR[0], "tls.key": CLIENT_PAIR[1]})
    + secret("keyless", {"tls.crt": WEB_PAIR[0], "tls.key": "x"})
)


def gateway(servers: str, name: str = "edge") -> str:
    """A Gateway of the ingress gateway."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec: {{selector: {{istio: ingressgateway}}, servers: {servers}}}
"""


def routes(
    hosts: str, http: str = "[{route: [{destination: {host: web, port: {number: 80}}}]}]", name: str = "web"
) -> str:
    """A VirtualService bound to it."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec: {{hosts: {hosts}, gateways: [edge], http: {http}}}
"""


def https(hosts: str, tls: str, number: int = 443, name: str = "https") -> str:
    """One server."""
    return f"{{port: {{number: {number}, name: {name}, protocol: HTTPS}}, hosts: {hosts}, tls: {tls}}}"


ANY = "['*']"
SIMPLE = "{mode: SIMPLE, credentialName: web-credential}"


def proved(source: Source, url: str) -> set[str]:
    """The names in the certificate that a server shows."""
    with source.connect(url) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        certificate = connection.getpeercert() or {}
    return {str(value) for _, value in certificate.get("subjectAltName", ())}  # type: ignore[misc]


def test_ended_at_the_gateway(town: Town) -> None:
    """SIMPLE: the gateway proves the host, reads the request, and sends it on."""
    town.put(gateway(f"[{https('[web.example.com]', SIMPLE)}]") + routes("[web.example.com]"))
    answer = town.ingress.get("https://web.example.com/a?b")
    assert answer.status_code == 200
    said = answer.json()
    assert (said["path"], said["host"], said["headers"]["x-forwarded-proto"]) == ("/a?b", "web.example.com", "https")
    assert answer.headers["server"] == "istio-envoy"
    assert proved(town.ingress, "tls://web.example.com") == {"web.example.com"}


def test_another_name_is_turned_away(town: Town) -> None:
    """A server name that no server stands for finds nobody; neither does a request without TLS."""
    town.put(gateway(f"[{https('[web.example.com]', SIMPLE)}]") + routes("[web.example.com]"))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        town.ingress.connect("tls://other.example.com")
    with pytest.raises(httpx.TransportError):
        town.ingress.get("http://web.example.com:443/")


def test_several_servers_on_a_port(town: Town) -> None:
    """Each host has a certificate of its own, wildcards as they are, and its own routes."""
    one, rest = (
        https("[one.example.com]", SIMPLE, name="one"),
        https("['*.example.com']", SIMPLE.replace("web-", "any-"), name="rest"),
    )
    direct = "[{{directResponse: {{status: 200, body: {{string: {}}}}}}}]"
    town.put(
        gateway(f"[{one}, {rest}]")
        + routes("[one.example.com]", direct.format("one"), "one")
        + routes("['*.example.com']", direct.format("rest"), "rest")
    )
    assert town.ingress.get("https://one.example.com/").text == "one"
    assert town.ingress.get("https://two.example.com/").text == "rest"
    assert proved(town.ingress, "tls://one.example.com") == {"one.example.com"}
    assert proved(town.ingress, "tls://two.example.com") == {"*.example.com"}


def test_a_server_for_any_host(town: Town) -> None:
    """A server for all hosts proves what is known of its rules; for other names a client here trusts it all the same."""
    town.put(gateway(f"[{https(ANY, SIMPLE)}]") + routes("[web.example.com, '*.example.org']"))
    assert proved(town.ingress, "tls://web.example.com") == {"web.example.com", "*.example.org", "localhost"}
    assert town.ingress.get("https://web.example.com/").status_code == 200
    assert town.ingress.get("https://a.example.org/").status_code == 200
    town.put(gateway(f"[{https(ANY, SIMPLE)}]") + routes("['*']"))
    assert town.ingress.get("https://anything.example.net/").status_code == 200


def test_redirected_to_https(town: Town) -> None:
    """`httpsRedirect` answers 301 with the same URL in https, which then answers."""
    plain = "{port: {number: 80, name: http, protocol: HTTP}, hosts: [web.example.com], tls: {httpsRedirect: true}}"
    town.put(gateway(f"[{plain}, {https('[web.example.com]', SIMPLE)}]") + routes("[web.example.com]"))
    moved = town.ingress.get("http://web.example.com/a?b")
    assert (moved.status_code, moved.headers["location"]) == (301, "https://web.example.com/a?b")
    assert town.ingress.get(moved.headers["location"]).status_code == 200


MUTUAL = "{mode: MUTUAL, credentialName: web-credential}"


def test_clients_that_must_prove_themselves(town: Town) -> None:
    """MUTUAL: without a certificate, or with one of somebody else's authority, the handshake fails; with one of the run's it does not."""
    town.put(gateway(f"[{https('[web.example.com]', MUTUAL)}]") + routes("[web.example.com]"))
    mine = town.mesh.authority.certificate("client.example.com")
    assert town.ingress.get("https://web.example.com/", certificate=mine).status_code == 200
    for certificate in (None, Authority.new().certificate("client.example.com")):
        with pytest.raises(httpx.TransportError):
            town.ingress.get("https://web.example.com/", certificate=certificate)
    names = "{mode: MUTUAL, credentialName: web-credential, subjectAltNames: [right.example.com]}"
    town.put(gateway(f"[{https('[web.example.com]', names)}]") + routes("[web.example.com]"))
    with pytest.raises(httpx.TransportError):
        town.ingress.get("https://web.example.com/", certificate=mine)
    right = town.mesh.authority.certificate("right.example.com")
    assert town.ingress.get("https://web.example.com/", certificate=right).status_code == 200


def test_clients_that_may_prove_themselves(town: Town) -> None:
    """OPTIONAL_MUTUAL: who proves nothing is let in too; who proves a wrong thing is not."""
    optional = MUTUAL.replace("MUTUAL", "OPTIONAL_MUTUAL")
    town.put(gateway(f"[{https('[web.example.com]', optional)}]") + routes("[web.example.com]"))
    assert town.ingress.get("https://web.example.com/").status_code == 200
    mine = town.mesh.authority.certificate("client.example.com")
    assert town.ingress.get("https://web.example.com/", certificate=mine).status_code == 200
    with pytest.raises(httpx.TransportError):
        town.ingress.get("https://web.example.com/", certificate=Authority.new().certificate("client.example.com"))


def test_files_of_the_gateway(town: Town) -> None:
    """Certificates that would be files in the gateway's pod are made here too."""
    files = "{mode: MUTUAL, serverCertificate: /etc/certs/tls.crt, privateKey: /etc/certs/tls.key, caCertificates: /etc/certs/ca.crt}"
    town.put(gateway(f"[{https('[web.example.com]', files)}]") + routes("[web.example.com]"))
    mine = town.mesh.authority.certificate("client.example.com")
    assert town.ingress.get("https://web.example.com/", certificate=mine).status_code == 200


def test_two_certificates_of_a_server(town: Town) -> None:
    """`credentialNames` names two, of which Envoy takes the one that suits the client."""
    two = "{mode: SIMPLE, credentialNames: [one, two]}"
    town.put(gateway(f"[{https('[web.example.com]', two)}]") + routes("[web.example.com]"))
    assert town.ingress.get("https://web.example.com/").status_code == 200


def test_versions(town: Town) -> None:
    """A server that takes TLS 1.3 alone takes no less."""
    newest = "{mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_3}"
    town.put(gateway(f"[{https('[web.example.com]', newest)}]") + routes("[web.example.com]"))
    with town.ingress.connect("tls://web.example.com") as connection:
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.version() == "TLSv1.3"
    target = town.mesh.enter("tls://web.example.com")
    context = ssl.create_default_context(cadata=town.mesh.authority.pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        opened(target.address, context, "web.example.com")


def opened(address: tuple[str, int], context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    """A connection with TLS, by Python's own means."""
    plain = socket.create_connection(address)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def test_tls_that_carries_tcp(town: Town) -> None:
    """A server of TLS ends it and sends bytes on by `tcp` rules."""
    server = "{port: {number: 8888, name: tls, protocol: TLS}, hosts: [lines.example.com], tls: {mode: SIMPLE, credentialName: a}}"
    tcp = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: lines}\nspec: {hosts: [lines.example.com], gateways: [edge], tcp: [{route: [{destination: {host: tcp-echo, port: {number: 9000}}}]}]}\n"
    town.put(gateway(f"[{server}]") + tcp)
    assert line(town.ingress, "tls://lines.example.com:8888")[3:] == " hello\n"


def test_weights_behind_tls(town: Town) -> None:
    """A change of routes behind TLS counts from the moment that it is applied, also for connections that stay open."""
    server = gateway(f"[{https('[web.example.com]', SIMPLE)}]")
    direct = "[{{directResponse: {{status: {}}}}}]"
    town.put(server + routes("[web.example.com]", direct.format(201)))
    with town.ingress.client("https://web.example.com/") as client:
        for status in (202, 203, 204, 205):
            town.put(server + routes("[web.example.com]", direct.format(status)))
            assert client.get("/").status_code == status


def test_many_servers(town: Town) -> None:
    """Dozens of HTTPS servers, each with routes of its own, work beside each other."""
    servers = ", ".join(https(f"[s{n}.example.com]", SIMPLE, name=f"s{n}") for n in range(30))
    made = "".join(
        routes(f"[s{n}.example.com]", f"[{{directResponse: {{status: {200 + n}}}}}]", f"s{n}") for n in range(30)
    )
    town.put(gateway(f"[{servers}]") + made)
    assert [town.ingress.get(f"https://s{n}.example.com/").status_code for n in range(30)] == list(range(200, 230))


def test_the_load_driver_says_that_it_cannot(town: Town) -> None:
    """Measuring over TLS is refused with a sentence."""
    from meshtest.judging.split import split
    from meshtest.traffic.request import GET

    town.put(gateway(f"[{https('[web.example.com]', SIMPLE)}]") + routes("[web.example.com]"))
    with pytest.raises(ValueError, match=r"the load driver does not speak TLS yet.* use http://"):
        town.ingress.measure(GET("https://web.example.com/"), 5)
    with pytest.raises(ValueError, match="the load driver does not speak TLS yet"):
        town.ingress.expect(GET("https://web.example.com/"), split(v1=100))


@pytest.mark.parametrize(
    ("credential", "host"),
    [
        ("web", "web.example.com"),
        ("generic", "generic.example.com"),
        ("kubernetes://istio-system/web", "web.example.com"),
    ],
)
def test_certificates_that_are_brought_along(town: Town, credential: str, host: str) -> None:
    """A Secret among the manifests counts, of either kind; a client here trusts what it holds."""
    tls = f"{{mode: SIMPLE, credentialName: {credential}}}"
    town.put(gateway(f"[{https(f'[{host}]', tls)}]") + routes(f"[{host}]"))
    assert town.ingress.get(f"https://{host}/").status_code == 200
    target = town.mesh.enter(f"tls://{host}")
    with opened(target.address, ssl.create_default_context(cadata=COMPANY.pem), host) as connection:
        assert connection.getpeercert()
    with pytest.raises(ssl.SSLCertVerificationError):
        opened(target.address, ssl.create_default_context(cadata=town.mesh.authority.pem), host)


@pytest.mark.parametrize(("credential", "host"), [("web", "web.example.com"), ("generic", "generic.example.com")])
def test_clients_of_the_company(town: Town, credential: str, host: str) -> None:
    """MUTUAL with a Secret's authority takes its clients and not the run's; the authority is in the Secret, or in another of its name."""
    tls = f"{{mode: MUTUAL, credentialName: {credential}}}"
    town.put(gateway(f"[{https(f'[{host}]', tls)}]") + routes(f"[{host}]"))
    assert (
        town.ingress.get(f"https://{host}/", certificate=COMPANY.certificate("client.example.com")).status_code == 200
    )
    for wrong in (town.mesh.authority.certificate("client.example.com"), STRANGER.certificate("client.example.com")):
        with pytest.raises(httpx.TransportError):
            town.ingress.get(f"https://{host}/", certificate=wrong)


def test_a_gateway_that_proves_itself(town: Town) -> None:
    """At a gateway a DestinationRule's credential is what it shows outside, and whom it trusts there."""
    text = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: it}
spec: {hosts: [api.example.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: it}
spec: {host: api.example.com, trafficPolicy: {tls: {mode: MUTUAL, credentialName: CREDENTIAL}}}
"""
    server = gateway("[{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example.com]}]")
    rule = routes("[api.example.com]", "[{route: [{destination: {host: api.example.com, port: {number: 443}}}]}]")
    town.put(server + rule + text.replace("CREDENTIAL", "made-up"))
    said = town.ingress.get("http://api.example.com/").json()
    assert said["tls"]["client"] == ["spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"]
    # the company's own authority is trusted where its Secret says so, and the stand-in is not of the company
    town.put(server + rule + text.replace("CREDENTIAL", "web"))
    assert town.ingress.get("http://api.example.com/").status_code == 503


@pytest.mark.parametrize(
    ("credential", "mode", "said"),
    [
        (
            "empty",
            "SIMPLE",
            "Secret istio-system/empty is asked for a certificate, and has no cert and key or tls.crt and tls.key",
        ),
        ("nonsense", "SIMPLE", "Secret istio-system/nonsense holds no certificate that can be read"),
        ("keyless", "SIMPLE", "Secret istio-system/keyless holds no key that can be read"),
        ("mixed", "SIMPLE", "the key in Secret istio-system/mixed is not the one of its certificate"),
        (
            "client",
            "MUTUAL",
            "Secret istio-system/client is asked for an authority's certificate, and has no cacert or ca.crt",
        ),
    ],
)
def test_secrets_that_are_no_use(town: Town, credential: str, mode: str, said: str) -> None:
    """A Secret that Envoy could do nothing with is named with its file and line, before anything changes."""
    town.put(
        gateway(f"[{https('[web.example.com]', '{mode: SIMPLE, credentialName: web}')}]") + routes("[web.example.com]")
    )
    with pytest.raises(ResourceError, match=said) as caught:
        town.put(gateway(f"[{https('[web.example.com]', f'{{mode: {mode}, credentialName: {credential}}}')}]"))
    assert "town.yaml:" in str(caught.value)
    assert town.ingress.get("https://web.example.com/").status_code == 200


def test_keys_are_nobody_elses(town: Town) -> None:
    """Folders with keys are closed to others."""
    town.put(gateway(f"[{https('[web.example.com]', SIMPLE)}]") + routes("[web.example.com]"))
    guardian = town.mesh._guardian
    assert guardian is not None
    for folder in guardian.folders:
        assert Path(folder).stat().st_mode & 0o077 == 0
        files = [each for each in Path(folder).rglob("*") if each.is_file()]
        assert all(
            each.stat().st_mode & 0o077 == 0 for each in files if "PRIVATE KEY" in each.read_text(errors="replace")
        )
    assert any(
        "PRIVATE KEY" in each.read_text(errors="replace") for each in Path(guardian.folders[0]).rglob("listeners.json")
    )


def test_no_authority_without_need(town: Town) -> None:
    """A mesh in which nothing speaks TLS makes no authority."""
    mesh = LocalMesh(default_topology([]))
    try:
        mesh.wait_ready()
        mesh.put({})
        assert mesh._authority is None
    finally:
        mesh.close()
