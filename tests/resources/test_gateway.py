"""What a Gateway may say: Istio's own checks, with line, path and cause."""

from __future__ import annotations

import pytest

from tests.resources.problems import problems, refused, resource, spec

HTTP = "port: {number: 80, name: http, protocol: HTTP}"

HTTPS = "port: {number: 443, name: https, protocol: HTTPS}"


def gateway(*servers: str) -> str:
    """A Gateway with these servers (the insides of flow mappings)."""
    listed = ", ".join(f"{{{server}}}" for server in servers)
    return resource("Gateway", f"selector: {{istio: ingressgateway}}\nservers: [{listed}]")


def test_all_fields_are_taken() -> None:
    """A Gateway that uses each implemented field is accepted; protocols are read in any case."""
    read = spec(
        gateway(
            f"{HTTP}, hosts: ['*', a.b, './c.d', 'other/*.e.f'], name: first, bind: 10.0.0.1, tls: {{httpsRedirect: true}}",
            "port: {number: 8080, name: grpc, protocol: grpc-Web}, hosts: [a.b]",
        )
    )
    assert read["servers"][1]["port"]["protocol"] == "GRPC-WEB"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (resource("Gateway", "selector: {a: b}"), "spec: the field 'servers' is missing"),
        (gateway(), "spec.servers: must have at least 1 item"),
        (gateway(f"{HTTP}, hosts: []"), "6: Gateway default/it spec.servers[0].hosts: must have at least 1 item"),
        (gateway(HTTP), "spec.servers[0]: the field 'hosts' is missing"),
        (gateway("hosts: [a.b]"), "spec.servers[0]: the field 'port' is missing"),
        (gateway(f"{HTTP}, hosts: [reviews]"), "must be a full name such as reviews.example.com"),
        (gateway(f"{HTTP}, hosts: ['*foo.com']"), "`*` may only stand for the whole first part"),
        (gateway("port: {number: 0, name: a, protocol: HTTP}, hosts: [a.b]"), "must be from 1 to 65535; this is 0"),
        (
            gateway("port: {number: 70000, name: a, protocol: HTTP}, hosts: [a.b]"),
            "must be from 1 to 65535; this is 70000",
        ),
        (
            gateway("port: {number: 80, protocol: HTTP}, hosts: [a.b]"),
            "spec.servers[0].port: the field 'name' is missing",
        ),
        (
            gateway("port: {number: 80, name: a, protocol: HTTP1}, hosts: [a.b]"),
            "this is the text 'HTTP1'; did you mean 'HTTP'?",
        ),
        (gateway("port: {number: 80, name: a, protocol: [HTTP]}, hosts: [a.b]"), "this is a list"),
        (gateway("port: 80, hosts: [a.b]"), "port: must be a mapping such as {number: 80, name: http, protocol: HTTP}"),
        (
            gateway("port: {number: 80, name: a, protocol: HTTP, targetPort: 8080}, hosts: [a.b]"),
            "has no meaning here",
        ),
        (
            gateway(f"{HTTP}, hosts: [a.b]", f"{HTTP}, hosts: [c.d]"),
            "spec.servers[1].port.name: the port name 'http' is used twice",
        ),
        (gateway(f"{HTTP}, hosts: [a.b], bind: here"), "bind: must be an IP address; this is 'here'"),
        (gateway(f"{HTTP}, host: [a.b]"), "there is no field 'host' here; did you mean 'hosts'?"),
        (
            gateway("port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.b]"),
            "a server of protocol HTTPS must have `tls` settings",
        ),
        (gateway(f"{HTTP}, hosts: [a.b], tls: {{mode: SIMPLE, credentialName: a}}"), "did you mean HTTPS?"),
        (
            resource("Gateway", f"selector: a\nservers: [{{{HTTP}, hosts: [a.b]}}]"),
            "spec.selector: must be a mapping; this is the text 'a'",
        ),
        (gateway(f"{HTTPS}, hosts: [a.b], tls: {{mode: SIMPLE}}"), "the mode SIMPLE needs a 'serverCertificate'"),
        (
            gateway(f"{HTTPS}, hosts: [a.b], tls: {{mode: MUTUAL, serverCertificate: a, privateKey: b}}"),
            "the mode MUTUAL needs `caCertificates`",
        ),
        (
            gateway(f"{HTTPS}, hosts: [a.b], tls: {{mode: SIMPLE, credentialName: a, credentialNames: [b]}}"),
            "exclude each other",
        ),
        (
            gateway(
                f"{HTTPS}, hosts: [a.b], tls: {{mode: SIMPLE, credentialName: a, serverCertificate: b, privateKey: c}}"
            ),
            "both say where certificates are",
        ),
        (gateway(f"{HTTPS}, hosts: [a.b], tls: {{mode: ISTIO_MUTUAL, credentialName: a}}"), "Istio's own certificates"),
        (gateway(f"{HTTPS}, hosts: [a.b], tls: {{mode: SIMPLE, credentialNames: [a, b, c]}}"), "must have at most 2"),
        (gateway(f"{HTTPS}, hosts: [a.b], tls: {{minProtocolVersion: TLSV1_4}}"), "did you mean 'TLSV1_"),
        (gateway("port: {number: 9, name: a, protocol: TCP}, hosts: [a.b], tls: {}"), "did you mean the protocol TLS?"),
        (gateway(f"{HTTP}, hosts: [a.b], bind: 'unix:///a'"), "must be 0 for a Unix socket"),
        (gateway(f"{HTTP}, hosts: ['::1']"), "short names are not allowed here"),
        (
            resource("Gateway", f"servers: [{{{HTTP}, hosts: [a.b]}}]", name="a.b"),
            "3: Gateway default/a.b metadata.name: the name of a Gateway must be letters",
        ),
    ],
)
def test_what_is_wrong(text: str, said: str) -> None:
    """Each mistake is named with its place and its cause."""
    found = problems(text)
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            gateway("port: {number: 0, name: a, protocol: HTTP}, hosts: [a.b], bind: 'unix:///tmp/x'"),
            ["spec.servers[0].bind"],
        ),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, fields: list[str]) -> None:
    """A sound field that the local mesh does not implement is refused, never ignored."""
    assert refused(text) == fields
