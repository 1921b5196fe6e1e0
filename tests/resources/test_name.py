"""Names of hosts, gateways, labels and headers, as Istio's validation has them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.resources import name
from meshtest.resources.header_value import header_value
from meshtest.resources.schema import Check

GOOD = {
    name.host: [
        "reviews",
        "reviews.default",
        "*.example.com",
        "*",
        "*-a.example.com",
        "*a.com",
        "a-b.c",
        "A.example.COM",
        "1a",
        "a.",
        "a" * 63,
    ],
    name.host_or_address: ["10.0.0.1", "::1", "reviews"],
    name.destination_host: ["reviews", "*.example.com"],
    name.gateway_host: [
        "*",
        "a.example.com",
        "*.example.com",
        "ns/*",
        "./a.b",
        "*/a.b",
        "*/*",
        "10.0.0.1",
        "default/*.a.b",
    ],
    name.gateway: ["mesh", "edge", "default/edge", "edge.", "edge.default", "edge.default.svc.cluster.local"],
    name.namespace: [".", "*", "default"],
    name.fqdn: ["a", "a.b", "a.b.", "1a"],
    name.egress_host: ["./*", "*/*", "ns/a.b", "ns/*.a.b", "~/*", "~ns/a.b", "~*/*"],
    name.subnet: ["10.0.0.1", "10.0.0.1/8", "10.0.0.0/0", "::1", "2001:db8::/32", "fe80::1%eth0"],
    name.label: ["v1", "a-b", "V1", "1"],
    name.label_key: ["app", "app.kubernetes.io/name", "a_b.c-d", "a/b"],
    name.label_value: ["", "v1", "a_b.c-d", "1.0", "a" * 64],
    name.object_name: ["a", "a.b-c", "0"],
    name.header: ["x-a", "X_A", "a.b", "~", "a,b"],
    name.matched_header: ["x-a", ":path", "@request.auth.claims.a", "@Request.auth.claims[a]"],
    name.changed_header: ["x-a", "Cookie", "a b"],
    name.request_header: ["Host", "host", ":authority", "x-a"],
    header_value: [
        "",
        "a",
        "%%",
        "100%% of %REQ(x)%",
        "%A%%B%",
        '%A(["a", "b\\"" ] )%',
        "%A( x\\)y) %",
        "a\tb",
        '%A(["a)%',
    ],
}
BAD = {
    name.host: [
        "",
        "a_b",
        "a..b",
        ".a",
        "a..",
        "a.*",
        "*.*.com",
        "a*b.com",
        "-a",
        "a-",
        "a/b",
        "a b",
        "10.0.0.1",
        "a.1",
        "a" * 64,
        "a." * 130,
    ],
    name.host_or_address: ["10.0.0.300", "a:80"],
    name.destination_host: ["*", "", "a_b"],
    name.gateway_host: ["reviews", "", "ns/", "*foo.com", "*-a.b", "a.*", "a_b.c", "bad_ns/a.b", "a/b/c.d", "**"],
    name.gateway: ["", "a/b/c", "*/edge", "a/", "/a", "*", "*.a", "a b", "ns/a.b", "./edge", "1"],
    name.fqdn: ["", "*", "*.a", "a.1", "10.0.0.1", "a..b", "."],
    name.egress_host: ["*", "a.b", "/a.b", "ns/", "ns/reviews", "ns/*a.b", "a_b/*", "ns/10.0.0.1", "~~/*", "ns/a/b.c"],
    name.subnet: [
        "",
        "a",
        "10.0.0.1/33",
        "10.0.0.1/",
        "10.0.0.1/08",
        "10.0.0/8",
        "::1/129",
        "1.2.3.4/1/2",
        "fe80::1%a/8",
    ],
    name.namespace: ["", "~", "a.b", "a b", "**"],
    name.label: ["", "a.b", "a_b", "-a", "a" * 64],
    name.label_key: ["", "/a", "a/", "a b", "-a", "a" * 64, "-a/b", "a..b/c", "a." * 127 + "a/b"],
    name.label_value: ["-a", "a-", "a b", "a/b"],
    name.object_name: ["", "A", "a_b", "-a", "a" * 254],
    name.matched_header: ["", "a b", ":other", "@request.auth.claims", "@request.auth.claims[]"],
    name.header: ["", "a b", "a:", ":path", "ä", "@request"],
    name.changed_header: ["host", "Host", ":path", ":authority", ""],
    name.request_header: [":path", ""],
    header_value: [
        "%",
        "50% off",
        "%%%",
        "%A",
        "%A(x",
        "%A(x)",
        "%A()%",
        "%A([a])%",
        '%A(["a" b])%',
        "%A(\\",
        "a\nb",
    ],
}


@pytest.mark.parametrize(("check", "text"), [(check, text) for check, texts in GOOD.items() for text in texts])
def test_good_names(check: Check, text: str) -> None:
    """What Istio takes is not complained of."""
    assert check(text) is None


@pytest.mark.parametrize(("check", "text"), [(check, text) for check, texts in BAD.items() for text in texts])
def test_bad_names(check: Check, text: str) -> None:
    """What Istio refuses is, in a sentence."""
    assert check(text)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_judged(text: str) -> None:
    """No text makes a check fail otherwise, and a good label is a good host."""
    for check in GOOD:
        check(text)
    if name.label(text) is None:
        assert name.host(text) is None
