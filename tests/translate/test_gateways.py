"""Gateways: which servers a proxy runs, and which routes stand where."""

from __future__ import annotations

import pytest

from tests.translate.snapshots import GATEWAY, GATEWAY_NAME, Json, config, gateway, virtual_host, virtual_service

HTTP = "port: {number: 80, name: http, protocol: HTTP}"
TO = "route: [{destination: {host: reviews}}]"


def hosts(text: str, route: str = "http.8080") -> dict[str, Json]:
    """The virtual hosts of a port, by name."""
    made = config(text, GATEWAY_NAME).routes[route]["virtual_hosts"]
    return {each["name"]: each for each in made}


def bound(
    hosts: str,
    http: str = f"- {TO}",
    name: str = "it",
    gateways: str = "edge",
    more: str = "",
    namespace: str = "default",
) -> str:
    """A VirtualService bound to gateways."""
    return virtual_service(http, hosts, name, f"gateways: [{gateways}]\n{more}", namespace)


def test_without_gateways_nothing_listens() -> None:
    """Without a Gateway the ingress gateway has neither listeners nor routes."""
    made = config("", GATEWAY_NAME)
    assert (made.listeners, made.routes) == ({}, {})


def test_ports() -> None:
    """A server listens on the port behind the gateway's own Service, or as it is where the Service has none such."""
    made = config(
        gateway(f"[{{{HTTP}, hosts: ['*']}}, {{port: {{number: 9999, name: other, protocol: HTTP2}}, hosts: ['*']}}]"),
        GATEWAY_NAME,
    )
    assert sorted(made.listeners) == ["0.0.0.0_8080", "0.0.0.0_9999"]
    assert sorted(made.routes) == ["http.8080", "http.9999"]
    assert made.listeners["0.0.0.0_8080"]["address"] == {"socket_address": {"address": "0.0.0.0", "port_value": 8080}}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("{istio: ingressgateway}", True),
        ("{istio: egressgateway}", False),
        ("{app: istio-ingressgateway, a: b}", False),
        ("{}", True),
    ],
)
def test_selectors(selector: str, selected: bool) -> None:
    """A Gateway counts for the proxies with all its labels, whatever their namespace."""
    made = config(gateway(f"[{{{HTTP}, hosts: ['*']}}]", selector=selector), GATEWAY_NAME)
    assert bool(made.listeners) is selected


def test_bind() -> None:
    """A server with an address of its own has a listener and routes of its own."""
    made = config(
        gateway(
            f"[{{{HTTP}, hosts: ['*']}}, {{port: {{number: 80, name: own, protocol: HTTP}}, bind: 10.1.2.3, hosts: ['*']}}]"
        ),
        GATEWAY_NAME,
    )
    assert sorted(made.listeners) == ["0.0.0.0_8080", "10.1.2.3_8080"]
    assert sorted(made.routes) == ["http.8080", "http.8080.10.1.2.3"]


def test_empty_port() -> None:
    """A port to which no rule is bound answers 404 to all."""
    assert list(hosts(GATEWAY)) == ["blackhole:80"]
    assert hosts(GATEWAY)["blackhole:80"]["domains"] == ["*"]
    assert hosts(GATEWAY)["blackhole:80"]["routes"] == []


@pytest.mark.parametrize(
    ("server", "rule", "domains"),
    [
        (["*"], ["a.example.com"], ["a.example.com"]),
        (["a.example.com"], ["*"], ["a.example.com"]),
        (["*.example.com"], ["*"], ["*.example.com"]),
        (["*.example.com"], ["a.example.com", "b.other.com"], ["a.example.com"]),
        (["a.example.com"], ["*.example.com"], ["a.example.com"]),
        (["*.a.example.com"], ["*.example.com"], ["*.a.example.com"]),
        (["./a.example.com", "other/b.example.com"], ["*"], ["a.example.com"]),
        (["*/a.example.com"], ["*"], ["a.example.com"]),
        (["default/*"], ["a.example.com"], ["a.example.com"]),
        (["other/*"], ["a.example.com"], []),
        (["other/x.y", "*/*"], ["a.example.com"], ["a.example.com"]),
        (["A.Example.com"], ["A.Example.com"], ["a.example.com"]),
        (["a.example.com"], ["b.example.com"], []),
        (["example.com"], ["*.example.com"], []),
    ],
)
def test_hosts_in_common(server: list[str], rule: list[str], domains: list[str]) -> None:
    """A rule is served under the narrower of the hosts that it and the server have in common, in the server's namespaces."""
    made = hosts(gateway(f"[{{{HTTP}, hosts: {server}}}]") + bound(str(rule)))
    found = [domain for name, each in made.items() if not name.startswith("blackhole") for domain in each["domains"]]
    assert found == domains


@pytest.mark.parametrize("name", ["edge", "default/edge", "edge.default.svc.cluster.local", "edge.default"])
def test_names_of_gateways(name: str) -> None:
    """A gateway is named by itself, with its namespace, or in the old way."""
    assert list(hosts(GATEWAY + bound("['*']", gateways=name))) == ["*:80"]


@pytest.mark.parametrize("name", ["other/edge", "edge2", "mesh", "edge.other"])
def test_gateways_that_are_not_meant(name: str) -> None:
    """A rule that names another gateway is not served here."""
    rule = bound("[a.example.com]", gateways=name)
    assert list(hosts(GATEWAY + rule)) == ["blackhole:80"]


def test_rules_for_one_host_are_merged() -> None:
    """Routes of several rules for a host stand one behind the other, the older rule's first; those that catch all go last."""
    first = bound("[a.b]", f"- match: [{{uri: {{exact: /1}}}}]\n  {TO}\n- {TO}", name="b")
    second = bound("[a.b]", f"- match: [{{uri: {{exact: /2}}}}]\n  {TO}", name="c")
    oldest = bound("[a.b]", f"- match: [{{uri: {{exact: /0}}}}]\n  {TO}", name="z").replace(
        "name: z,", "name: z, creationTimestamp: 2020-01-01T00:00:00Z,"
    )
    newer = (first + second).replace(
        "namespace: default", "namespace: default, creationTimestamp: 2021-01-01T00:00:00Z"
    )
    made = hosts(GATEWAY + oldest + newer)["a.b:80"]["routes"]
    assert [each["match"].get("path", "all") for each in made] == ["/0", "/1", "/2", "all"]


def test_hosts_with_the_same_routes_collapse() -> None:
    """Hosts with the very same routes share a virtual host, named after the most specific."""
    made = hosts(GATEWAY + bound("['*.b', c.d, a.b.c]"))
    assert {name: each["domains"] for name, each in made.items()} == {"a.b.c:80": ["a.b.c", "c.d", "*.b"]}
    apart = hosts(GATEWAY + bound("[a.b]") + bound("[c.d]", name="other"))
    assert sorted(apart) == ["a.b:80", "c.d:80"]


def test_rules_without_routes_here_are_left_out() -> None:
    """A rule whose matches are all for other gateways or ports makes no virtual host."""
    assert list(hosts(GATEWAY + bound("[a.b]", f"- match: [{{port: 81}}, {{gateways: [mesh]}}]\n  {TO}"))) == [
        "blackhole:80"
    ]
    assert list(hosts(GATEWAY + bound("[a.b]", f"- match: [{{port: 80, gateways: [edge]}}]\n  {TO}"))) == ["a.b:80"]


def test_several_servers_on_a_port() -> None:
    """Servers of a port share its routes, of one Gateway or several."""
    one = gateway(f"[{{{HTTP}, hosts: [a.b]}}, {{port: {{number: 80, name: second, protocol: HTTP}}, hosts: [c.d]}}]")
    two = gateway(f"[{{{HTTP}, hosts: [e.f]}}]", name="two")
    text = one + two + bound("['*']", name="w") + bound("['*']", name="x", gateways="two")
    assert sorted(domain for each in hosts(text).values() for domain in each["domains"]) == ["a.b", "c.d", "e.f"]
    assert len(config(text, GATEWAY_NAME).listeners) == 1


REDIRECT = "tls: {httpsRedirect: true}"


def test_https_redirect() -> None:
    """A server that redirects to HTTPS does so for each of its hosts, with or without rules."""
    made = hosts(gateway(f"[{{{HTTP}, hosts: [a.b, c.d], {REDIRECT}}}]") + bound("[a.b]"))
    assert {name: (each["require_tls"], len(each["routes"])) for name, each in made.items()} == {
        "a.b:80": ("ALL", 1),
        "c.d:80": ("ALL", 0),
    }


def test_https_redirect_of_the_same_host_twice() -> None:
    """Of two servers with TLS settings for one host and port the second is skipped, rules and all."""
    first = gateway(f"[{{{HTTP}, hosts: [a.b], {REDIRECT}}}]", name="first")
    second = gateway(f"[{{{HTTP}, hosts: [a.b, c.d], {REDIRECT}}}]", name="second")
    made = hosts(first + second + bound("[a.b]", gateways="second"))
    assert {name: each["routes"] for name, each in made.items()} == {"a.b:80": []}


def test_a_redirect_by_rule_knows_its_port() -> None:
    """The port of a request is that of the Gateway's server, not that of the proxy."""
    text = gateway("[{port: {number: 8081, name: http, protocol: HTTP}, hosts: ['*']}]") + bound(
        "['*']", "- redirect: {derivePort: FROM_REQUEST_PORT}"
    )
    made = virtual_host(config(text, GATEWAY_NAME), "http.8081", "*:8081")
    assert made["routes"][0]["redirect"]["port_redirect"] == 8081


@pytest.mark.parametrize(
    ("export_to", "seen"),
    [("['.']", False), ("[istio-system]", True), ("['*']", True), ("[other]", False), ("['.', istio-system]", True)],
)
def test_export_to(export_to: str, seen: bool) -> None:
    """The ingress gateway sees what is exported to its own namespace."""
    made = hosts(GATEWAY + bound("[a.b]", more=f"exportTo: {export_to}"))
    assert ("a.b:80" in made) is seen


def test_the_last_of_a_name_counts() -> None:
    """Of two resources of one name the later is in force, as with kubectl apply."""
    made = hosts(GATEWAY + bound("[a.b]") + bound("[c.d]"))
    assert list(made) == ["c.d:80"]


def test_manager() -> None:
    """The gateway's connection manager trusts no client for its address, and reads its routes by name."""
    listener = config(GATEWAY, GATEWAY_NAME).listeners["0.0.0.0_8080"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["rds"]["route_config_name"] == "http.8080"
    assert manager["use_remote_address"] is True
    assert [each["name"].rpartition(".")[2] for each in manager["http_filters"]] == [
        "grpc_stats",
        "fault",
        "cors",
        "router",
    ]
