"""What sidecars do with calls of their workloads, and with calls to them."""

from __future__ import annotations

import pytest

from meshtest.translate.host import alternative_names
from tests.translate.snapshots import Json, config, destination_rule, virtual_host, virtual_service

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.80, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: other}
spec: {clusterIP: 10.0.0.81, selector: {app: other}, ports: [{name: http, port: 80}, {name: admin, port: 8081, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {clusterIP: 10.0.0.82, selector: {app: db}, ports: [{name: tcp, port: 80}, {name: mysql, port: 3306}]}
---
apiVersion: v1
kind: Service
metadata: {name: guess, namespace: default}
spec: {clusterIP: 10.0.0.83, selector: {app: guess}, ports: [{name: anything, port: 7000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: other, labels: {app: client}}
"""
TO = "- route: [{destination: {host: web}}]"


def hosts(text: str, port: str = "80", proxy: str = "productpage-v1") -> dict[str, Json]:
    """The virtual hosts of an outbound port, by name."""
    made = config(text, proxy, SERVICES).routes[port]["virtual_hosts"]
    return {each["name"]: each for each in made}


def test_domains() -> None:
    """A Service is called by its names as DNS in a namespace completes them, and by its address."""
    web = "web.default.svc.cluster.local"
    here = [f"{web}.", "web", "web.default.svc", "web.default"]
    assert alternative_names(web, "default") == here
    assert alternative_names(web, "other") == [f"{web}.", "web.default", "web.default.svc"]
    assert alternative_names("example.com", "other") == ["example.com."]
    assert alternative_names("10.0.0.1", "other") == []
    assert hosts("")[f"{web}:80"]["domains"] == [web, *here, "10.0.0.80"]


def test_shared_routes() -> None:
    """Services that speak HTTP on a port share its routes; what they do not know is let through."""
    made = hosts("")
    assert sorted(made) == [
        "allow_any",
        "istio-ingressgateway.istio-system.svc.cluster.local:80",
        "other.other.svc.cluster.local:80",
        "web.default.svc.cluster.local:80",
    ]
    assert made["allow_any"]["domains"] == ["*"]


def test_default_routes() -> None:
    """A Service that no rule names has a route to itself."""
    (made,) = hosts("")["web.default.svc.cluster.local:80"]["routes"]
    assert made["name"] == "default"
    assert made["route"]["cluster"] == "outbound|80||web.default.svc.cluster.local"


def test_hosts_that_are_no_services_on_port_80() -> None:
    """On port 80, and only there, a rule may name hosts that are no Services."""
    text = virtual_service(TO, "[example.com, web, '*.example.org']")
    made = hosts(text)
    assert made["example.com:80"]["domains"] == ["example.com"]
    assert made["*.example.org:80"]["domains"] == ["*.example.org"]
    assert made["example.com:80"]["routes"] == made["web.default.svc.cluster.local:80"]["routes"]
    assert not any(name.startswith(("example", "*")) for name in hosts(text, "9080"))


def test_a_service_without_http_is_not_ruled() -> None:
    """A Service whose port carries TCP is known, so that an HTTP rule neither rules it nor takes its name for a foreign host."""
    made = hosts(virtual_service(TO, "[db, web]"))
    assert not any("db" in name for name in made)
    assert made["web.default.svc.cluster.local:80"]["routes"][0].get("name") != "default"
    assert not any("*." in name for name in hosts(virtual_service(TO, "['*.default.svc.cluster.local']")))


def test_wildcards() -> None:
    """A wildcard rules the Services that no narrower host rules; the first of two for one host rules."""
    all_ = virtual_service("- name: all\n  route: [{destination: {host: web}}]", "['*.svc.cluster.local']", "a")
    own = virtual_service("- name: own\n  route: [{destination: {host: web}}]", "['*.default.svc.cluster.local']", "b")
    exact = virtual_service("- name: exact\n  route: [{destination: {host: web}}]", "[web]", "c")
    names = {name: each["routes"][0]["name"] for name, each in hosts(all_ + own).items() if "svc" in name}
    assert names["web.default.svc.cluster.local:80"] == "own"
    assert names["other.other.svc.cluster.local:80"] == "all"
    assert hosts(all_ + exact)["web.default.svc.cluster.local:80"]["routes"][0]["name"] == "exact"


def test_two_rules_for_one_service_do_not_merge() -> None:
    """On the mesh the first rule for a Service counts alone."""
    first = virtual_service("- name: first\n  route: [{destination: {host: web}}]", "[web]", "a")
    second = virtual_service("- name: second\n  route: [{destination: {host: web}}]", "[web]", "b")
    made = hosts(first + second)["web.default.svc.cluster.local:80"]["routes"]
    assert [each["name"] for each in made] == ["first"]


@pytest.mark.parametrize(
    ("gateways", "ruled"), [("[mesh]", True), ("[edge, mesh]", True), ("[edge]", False), ("[]", True)]
)
def test_gateways(gateways: str, ruled: bool) -> None:
    """A rule counts on the mesh if it names `mesh`, or no gateway."""
    made = hosts(virtual_service(TO, "[web]", more=f"gateways: {gateways}"))["web.default.svc.cluster.local:80"][
        "routes"
    ]
    assert (made[0].get("name") != "default") is ruled


@pytest.mark.parametrize(
    ("export_to", "here", "there"),
    [("['.']", True, False), ("[other]", False, True), ("['*']", True, True), ("['.', other]", True, True)],
)
def test_export_to(export_to: str, here: bool, there: bool) -> None:
    """A rule counts in the namespaces that it is exported to."""
    text = virtual_service(TO, "[web]", more=f"exportTo: {export_to}")
    for proxy, ruled in (("productpage-v1", here), ("client.other", there)):
        name = "web.default.svc.cluster.local:80"
        assert (hosts(text, proxy=proxy.removesuffix(".other"))[name]["routes"][0].get("name") != "default") is ruled


def test_private_rules_come_first() -> None:
    """Rules of the caller's own namespace that are not public come first, then those exported to it by name, then public ones."""
    rules = [
        virtual_service(
            f"- name: {name}\n  route: [{{destination: {{host: a.b}}}}]",
            "[web.default.svc.cluster.local]",
            name,
            f"exportTo: {export}",
            space,
        )
        for name, export, space in (
            ("a", "['*']", "default"),
            ("b", "[default]", "other"),
            ("c", "['.', other]", "default"),
        )
    ]
    assert hosts("".join(rules))["web.default.svc.cluster.local:80"]["routes"][0]["name"] == "c"
    assert hosts("".join(rules[:2]))["web.default.svc.cluster.local:80"]["routes"][0]["name"] == "b"


def test_a_rule_without_matching_routes_is_ignored() -> None:
    """Where no route of a rule applies, the Service has its default route."""
    text = virtual_service("- match: [{port: 9999}]\n  route: [{destination: {host: web}}]", "[web]")
    assert hosts(text)["web.default.svc.cluster.local:80"]["routes"][0]["name"] == "default"


def test_outbound_listeners() -> None:
    """One listener a port for HTTP, one an address for what is not, one for the rest."""
    made = config("", manifests=SERVICES).listeners
    assert {
        "0.0.0.0_80",
        "0.0.0.0_8081",
        "0.0.0.0_9080",
        "10.0.0.82_80",
        "10.0.0.82_3306",
        "10.0.0.83_7000",
        "virtualOutbound",
    } <= made.keys()
    assert "0.0.0.0_7000" not in made
    tcp = made["10.0.0.82_3306"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert tcp["cluster"] == "outbound|3306||db.default.svc.cluster.local"
    sniffed = made["10.0.0.83_7000"]
    assert (
        sniffed["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["route_config_name"]
        == "guess.default.svc.cluster.local:7000"
    )
    assert (
        sniffed["default_filter_chain"]["filters"][0]["typed_config"]["cluster"]
        == "outbound|7000||guess.default.svc.cluster.local"
    )


def test_sniffed_ports_have_routes_of_their_own() -> None:
    """A port of unknown protocol has its Service's routes alone, for any host; rules count there too."""
    name = "guess.default.svc.cluster.local:7000"
    (host,) = config("", manifests=SERVICES).routes[name]["virtual_hosts"]
    assert host["domains"] == ["*"]
    assert host["routes"][0]["route"]["cluster"] == "outbound|7000||guess.default.svc.cluster.local"
    ruled = config(
        virtual_service("- route: [{destination: {host: web, port: {number: 80}}}]", "[guess]"), manifests=SERVICES
    )
    assert (
        ruled.routes[name]["virtual_hosts"][0]["routes"][0]["route"]["cluster"]
        == "outbound|80||web.default.svc.cluster.local"
    )


def test_inbound() -> None:
    """Calls to a workload's port pass the permissive filter chains to a cluster of the port, retried once before they begin."""
    made = config("", "reviews-v2")
    listener = made.listeners["virtualInbound"]
    own = [each for each in listener["filter_chains"] if each["filter_chain_match"].get("destination_port") == 9080]
    assert [("transport_socket" in each, each["filter_chain_match"]["transport_protocol"]) for each in own] == [
        (True, "tls"),
        (False, "raw_buffer"),
    ]
    manager = own[1]["filters"][0]["typed_config"]
    action = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    assert (action["cluster"], action["retry_policy"]["retry_on"]) == ("inbound|9080||", "reset-before-request")
    assert made.clusters["inbound|9080||"]["type"] == "ORIGINAL_DST"


def test_inbound_pools() -> None:
    """The connection pool of a Service's rule limits its own sidecars too, and nothing else of the rule does; selectors do not count."""
    spec = "host: reviews\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}, outlierDetection: {}, loadBalancer: {simple: RANDOM}}"
    cluster = config(destination_rule(spec), "reviews-v2").clusters["inbound|9080||"]
    assert cluster["circuit_breakers"]["thresholds"][0]["max_connections"] == 3
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"
    assert "outlier_detection" not in cluster
    selected = destination_rule(spec + "\nworkloadSelector: {matchLabels: {}}")
    cluster = config(selected, "reviews-v2").clusters["inbound|9080||"]
    assert cluster["circuit_breakers"]["thresholds"][0]["max_connections"] == 2**32 - 1


def test_rules_of_the_mesh_name_their_virtual_host() -> None:
    """A ruled Service keeps its names."""
    made = virtual_host(
        config(virtual_service("- route: [{destination: {host: ratings}}]")),
        "9080",
        "reviews.default.svc.cluster.local:9080",
    )
    assert "reviews" in made["domains"]
