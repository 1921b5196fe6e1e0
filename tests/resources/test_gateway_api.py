"""Kinds of the Gateway API: each mistake that the CRDs refuse is named with its place and cause."""

from __future__ import annotations

import pytest

from tests.resources.problems import resource, wrong

BACKEND = "backendRefs: [{name: a, port: 80}]"


def route(rule: str, kind: str = "HTTPRoute", more: str = "") -> str:
    """A route with this rule, the inside of a flow mapping."""
    return resource(kind, f"{more}rules: [{{{rule}}}]", version="gateway.networking.k8s.io/v1")


def gateway(listeners: str, more: str = "") -> str:
    """A Gateway with these listeners."""
    spec = f"gatewayClassName: istio\n{more}listeners: [{listeners}]"
    return resource("Gateway", spec, version="gateway.networking.k8s.io/v1")


@pytest.mark.parametrize(
    "text",
    [
        route(BACKEND),
        route(f"{BACKEND}, matches: null"),
        route(f"matches: [{{path: {{value: /a}}, headers: [{{name: a, value: b}}]}}], {BACKEND}"),
        route(
            "matches: [{path: {value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]"
        ),
        route("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301, scheme: https}}]"),
        route(f"timeouts: {{request: 10s, backendRequest: 5s}}, {BACKEND}"),
        route(f"matches: [{{method: {{service: a.B, method: C}}}}], {BACKEND}", "GRPCRoute"),
        route(BACKEND, "TCPRoute"),
        route(BACKEND, "TLSRoute", "hostnames: ['*.a.b']\n"),
        gateway(
            "{name: a, port: 80, protocol: HTTP}, {name: b, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}"
        ),
        gateway(
            "{name: a, port: 443, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {namespaces: {from: All}}}"
        ),
    ],
)
def test_right(text: str) -> None:
    """In what the API server takes, nothing is called wrong."""
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (route("backendRefs: [{name: a}]"), "spec.rules[0].backendRefs[0]: the field 'port' is missing"),
        (route("backendRefs: [{name: a, port: 80, weight: -1}]"), "weight: must be from 0 to 1000000"),
        (route("backendRefs: [{nam: a, port: 80}]"), "did you mean 'name'?"),
        (route(f"matches: [{{path: {{value: a}}}}], {BACKEND}"), "path.value: must start with /"),
        (route(f"matches: [{{path: {{value: /a//b}}}}], {BACKEND}"), "must not contain '//'"),
        (route(f"matches: [{{path: {{type: Prefix, value: /a}}}}], {BACKEND}"), "did you mean 'PathPrefix'?"),
        (
            route(f"matches: [{{headers: [{{name: a, value: b}}, {{name: a, value: c}}]}}], {BACKEND}"),
            "stands here twice",
        ),
        (route("filters: [{type: RequestRedirect}]"), "the field 'requestRedirect' is missing"),
        (route("filters: [{type: CORS, requestRedirect: {}}]"), "belongs to the type RequestRedirect"),
        (
            route("filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]"),
            "exclude each other",
        ),
        (
            route(
                "matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]"
            ),
            "needs exactly one match, of a path of type PathPrefix",
        ),
        (route("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]"), "must be one of 301, 302"),
        (route(f"timeouts: {{request: 1s, backendRequest: 5s}}, {BACKEND}"), "must not be longer than the timeout"),
        (route(f"timeouts: {{request: 1.5s}}, {BACKEND}"), "must be a duration such as 10s"),
        (route(BACKEND, more="hostnames: [10.0.0.1, '*']\n"), "spec.hostnames[1]: must be a host name"),
        (route(BACKEND, more="parentRefs: [{name: a}, {name: a}]\n"), "spec.parentRefs[1]: refers to what"),
        (route(BACKEND, more="parentRefs: [{name: a}, {name: a, sectionName: b}]\n"), "give a sectionName"),
        (route(f"matches: [{{method: {{}}}}], {BACKEND}", "GRPCRoute"), "must name a service, a method, or both"),
        (route("backendRefs: []", "TCPRoute"), "must have at least 1 item"),
        (route(BACKEND, "TLSRoute"), "the field 'hostnames' is missing"),
        (route(BACKEND, "TLSRoute", "hostnames: [10.0.0.1]\n"), "this is the address '10.0.0.1'"),
        (
            gateway("{name: a, port: 80, protocol: HTTP, tls: {}}"),
            "needs `certificateRefs` where the mode is Terminate",
        ),
        (
            gateway("{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: a}]}}"),
            "a listener of the protocol HTTP has no `tls`",
        ),
        (gateway("{name: a, port: 443, protocol: TLS}"), "the field 'tls' is missing"),
        (
            gateway("{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}"),
            "has the port, the protocol",
        ),
        (
            gateway("{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}"),
            "listeners[1].name: stands",
        ),
        (gateway("{name: a, port: 0, protocol: HTTP}"), "must be from 1 to 65535"),
        (gateway("{name: a, port: 80, protocol: HTTP}", "addresses: [{value: a}]\n"), "must be an IP address"),
    ],
)
def test_wrong(text: str, said: str) -> None:
    """What the API server refuses is refused, with its cause."""
    found = wrong(text)
    assert any(said in each for each in found), found
