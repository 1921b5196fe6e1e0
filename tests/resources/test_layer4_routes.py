"""TCP and TLS rules, and delegates, of VirtualServices: what istiod takes and what it refuses."""

from __future__ import annotations

import pytest

from tests.resources.problems import problems, resource, wrong

TO = "route: [{destination: {host: a}}]"


@pytest.mark.parametrize(
    "spec",
    [
        f"hosts: [a]\ntcp: [{{{TO}}}]",
        "hosts: [a]\ntcp: [{match: [{port: 9000, destinationSubnets: [10.0.0.0/8], sourceLabels: {app: b}, gateways: [mesh]}], "
        "route: [{destination: {host: a, subset: v1}, weight: 80}, {destination: {host: a}, weight: 20}]}]",
        f"hosts: ['*.a.com']\ntls: [{{match: [{{port: 443, sniHosts: [b.a.com, 10.0.0.1]}}], {TO}}}]",
        f"hosts: ['*']\ngateways: [edge]\ntls: [{{match: [{{sniHosts: [outbound_.80_._.a.b]}}], {TO}}}]",
        "hosts: [a]\nhttp: [{match: [{uri: {prefix: /a}}], delegate: {name: b, namespace: c}}]",
    ],
)
def test_right(spec: str) -> None:
    """In what istiod takes, nothing is called wrong."""
    assert wrong(resource("VirtualService", spec)) == []


def test_a_delegate_itself() -> None:
    """Rules that others delegate to have no hosts."""
    assert problems(resource("VirtualService", f"http: [{{{TO}}}]")) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("hosts: [a]\ntcp: [{}]", "spec.tcp[0]: the field 'route' is missing"),
        ("hosts: [a]\ntcp: [{route: []}]", "spec.tcp[0].route: must have at least 1 item"),
        (
            f"hosts: [a]\ntcp: [{{match: [{{port: 70000}}], {TO}}}]",
            "spec.tcp[0].match[0].port: must be from 0 to 65535",
        ),
        (f"hosts: [a]\ntcp: [{{match: [{{destinationSubnets: [a]}}], {TO}}}]", "must be an IP address, or a range"),
        (
            "hosts: [a]\ntcp: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]",
            "the weights of the 2 destinations add up to 0",
        ),
        (f"hosts: [a]\ntls: [{{{TO}}}]", "spec.tls[0]: the field 'match' is missing"),
        (f"hosts: [a]\ntls: [{{match: [{{}}], {TO}}}]", "spec.tls[0].match[0]: the field 'sniHosts' is missing"),
        (f"hosts: [a]\ntls: [{{match: [{{sniHosts: [b]}}], {TO}}}]", "sniHosts[0]: 'b' is not covered by the hosts"),
        (f"hosts: ['*.a.b']\ntls: [{{match: [{{sniHosts: ['*.b']}}], {TO}}}]", "'*.b' is not covered by the hosts"),
        (f"hosts: [a]\ntls: [{{match: [{{sniHosts: [outbound_.80_._.a.b]}}], {TO}}}]", "is no host name"),
        (f"tcp: [{{{TO}}}]", "spec.tcp: a VirtualService without hosts is a delegate, which must have no tcp"),
        (f"hosts: [a]\nhttp: [{{delegate: {{name: b}}, {TO}}}]", "a rule cannot have both delegate and route"),
        (
            f"http: [{{delegate: {{name: b}}, {TO}}}]",
            "spec.http[0].delegate: a delegate (a VirtualService without hosts)",
        ),
        ("http: [{delegate: {name: b}}]", "spec.http[0]: a rule needs a route"),
        (
            f"hosts: [a]\nhttp: [{{match: [{{headers: {{'@request.auth.claims.x': {{}}}}}}], {TO}}}]",
            "claims of a token can be matched at gateways only",
        ),
        (
            "hosts: [a]\nhttp: [{match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}}]",
            "spec.http[0].match[0].uri: must be a prefix",
        ),
    ],
)
def test_wrong(spec: str, said: str) -> None:
    """What istiod refuses is refused, with its cause."""
    found = problems(resource("VirtualService", spec))
    assert any(said in each for each in found), found


@pytest.mark.parametrize("names", ["[mesh, a/b/c]", "[a/b, mesh, '*']"])
def test_names_of_gateways_that_istiod_does_not_look_at(names: str) -> None:
    """istiod stops at the first name without a namespace."""
    assert problems(resource("VirtualService", f"hosts: [a]\ngateways: {names}\nhttp: [{{{TO}}}]")) == []
