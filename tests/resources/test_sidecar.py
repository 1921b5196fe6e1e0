"""Sidecars: what istiod takes and what it refuses."""

from __future__ import annotations

import pytest

from tests.resources.problems import problems, refused, resource, wrong

EGRESS = "egress: [{hosts: [./*]}]"


@pytest.mark.parametrize(
    "spec",
    [
        EGRESS,
        "egress: [{hosts: [./*, istio-system/*, '*/a.b', '~ns/*']}]\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}",
        "workloadSelector: {labels: {app: a}}\ningress: [{port: {number: 80, protocol: HTTP, name: a}}]",
        "ingress: [{port: {number: 80}, defaultEndpoint: '127.0.0.1:8080', bind: 0.0.0.0}]",
        "ingress: [{port: {number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b}}]",
        "inboundConnectionPool: {tcp: {maxConnections: 1}}",
        "egress: [{port: {number: 80, protocol: HTTP, name: a}, hosts: [./a.b]}, {hosts: [./*]}]",
        "outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.b, port: {number: 80}}}",
    ],
)
def test_right(spec: str) -> None:
    """In what istiod takes, nothing is called wrong."""
    assert wrong(resource("Sidecar", spec)) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("workloadSelector: {labels: {app: a}}", "spec: says nothing"),
        ("egress: []", "spec: says nothing"),
        ("egress: [{}]", "the field 'hosts' is missing"),
        ("egress: [{hosts: []}]", "spec.egress[0].hosts: must have at least 1 item"),
        ("egress: [{hosts: [reviews]}]", "must be namespace/host, such as ./reviews or */reviews"),
        ("egress: [{hosts: [./reviews]}]", "short names are not allowed here"),
        ("egress: [{hosts: [./*]}, {hosts: [./*]}]", "spec.egress[0]: a listener without a port"),
        ("egress: [{port: {number: 0}, hosts: [./*]}]", "spec.egress[0].port.number: must be from 1"),
        ("egress: [{port: {number: 1, targetPort: 2}, hosts: [./*]}]", "spec.egress[0].port.targetPort"),
        ("egress: [{port: {number: 1}, hosts: [./*]}, {port: {number: 1}, hosts: [./*]}]", "ports must differ"),
        ("ingress: [{}]", "the field 'port' is missing"),
        ("ingress: [{port: {number: 0}}]", "spec.ingress[0].port.number: must be from 1"),
        ("ingress: [{port: {number: 1}}, {port: {number: 1}}]", "spec.ingress[1].port: 1 is taken"),
        ("ingress: [{port: {number: 1}, defaultEndpoint: '10.0.0.1:80'}]", "must be 127.0.0.1:PORT"),
        ("ingress: [{port: {number: 1}, defaultEndpoint: '127.0.0.1'}]", "must be 127.0.0.1:PORT"),
        ("ingress: [{port: {number: 1}, bind: a}]", "spec.ingress[0].bind: must be an IP address"),
        ("ingress: [{port: {number: 1, protocol: HTTP}, tls: {}}]", "only ports of the protocols HTTPS and TLS"),
        ("ingress: [{port: {number: 1, protocol: TLS}, tls: {mode: ISTIO_MUTUAL}}]", "is for gateways only"),
        ("ingress: [{port: {number: 1, protocol: TLS}, tls: {mode: SIMPLE, credentialName: a}}]", "cannot be set"),
        (f"{EGRESS}\noutboundTrafficPolicy: {{mode: ALLOW_ANY_DYNAMIC_DNS}}", "must be one of REGISTRY_ONLY"),
        (f"{EGRESS}\noutboundTrafficPolicy: {{egressProxy: {{host: a, port: {{number: 1}}}}}}", "mode` is ALLOW_ANY"),
        (f"{EGRESS}\noutboundTrafficPolicy: {{mode: ALLOW_ANY, egressProxy: {{host: a}}}}", "'port' is missing"),
        (f"{EGRESS}\ninboundConnectionPool: {{}}", "must have at least one field"),
    ],
)
def test_wrong(spec: str, said: str) -> None:
    """What istiod refuses is refused, with its cause."""
    assert any(said in each for each in problems(resource("Sidecar", spec))), problems(resource("Sidecar", spec))


def test_unix_sockets() -> None:
    """Unix sockets are not implemented."""
    spec = "egress: [{port: {number: 0}, bind: 'unix:///a', hosts: [./*]}]"
    assert refused(resource("Sidecar", spec)) == ["spec.egress[0].bind"]
