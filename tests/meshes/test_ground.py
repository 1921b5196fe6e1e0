"""Grounding: what istiod would send, on loopback, and nothing else changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from meshtest.meshes.local.ground import ground
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.site import Sites
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy
from tests.meshes.places import Written, placed
from tests.translate.snapshots import (
    GATEWAY,
    GATEWAY_NAME,
    REVIEWS,
    SUBSETS,
    Json,
    destination_rule,
    snapshot,
    virtual_service,
    without,
)

RULES = (
    GATEWAY
    + SUBSETS
    + virtual_service("- route: [{destination: {host: reviews, subset: v1}}]", "['*']", more="gateways: [edge]")
)
MORE = """
apiVersion: v1
kind: Service
metadata: {name: guess}
spec: {clusterIP: 10.0.0.83, selector: {app: reviews}, ports: [{name: anything, port: 7000, targetPort: 7777}]}
"""


def nowhere(name: str) -> str | None:
    """No routes are watched."""
    return None


def grounded(
    text: str, proxy: str, watched: Callable[[str], str | None] = nowhere, manifests: str = ""
) -> tuple[ProxyConfig, ProxyConfig, Grounds]:
    """The configuration of a proxy, the same on loopback, and its place."""
    given = snapshot(text, manifests)
    places = placed(given.topology)
    instance = given.topology.names[proxy][0]
    config = translate(given, Proxy(instance))
    grounds = Grounds(given, config, places.by_address[instance.address], places, watched, Written())
    return config, ground(grounds), grounds


def addresses(value: Any) -> set[str]:
    """All socket addresses in a configuration."""
    if isinstance(value, dict):
        own = {value["address"]} if {"address", "port_value"} <= value.keys() else set()
        return own.union(*map(addresses, value.values()))
    return set().union(*map(addresses, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("proxy", ["productpage-v1", "reviews-v2", GATEWAY_NAME])
@pytest.mark.parametrize("file", [None, "/somewhere/routes.json"])
def test_all_is_on_loopback(proxy: str, file: str | None) -> None:
    """No address but those of loopback is left, no discovery but that of watched files, and no certificate."""
    _, made, _ = grounded(RULES, proxy, lambda name: file)
    text = json.dumps([made.listeners, made.clusters, made.routes, made.endpoints])
    assert all(each.startswith("127.") for each in addresses([made.listeners, made.clusters]))
    assert '"ads"' not in text
    assert "original_dst" not in text
    assert "ORIGINAL_DST" not in text
    assert "EDS" not in text
    assert 'transport_socket"' not in text


def test_the_translation_is_left_as_it_is() -> None:
    """Grounding makes a new configuration."""
    config, _, grounds = grounded(RULES, "productpage-v1", manifests=MORE)
    before = copy.deepcopy(config)
    ground(grounds)
    assert config == before


def test_endpoints_are_the_sidecars() -> None:
    """An endpoint is where the instance's own proxy takes calls to that port."""
    config, made, grounds = grounded(RULES, GATEWAY_NAME)
    name = f"outbound|9080|v1|{REVIEWS}"
    (group,) = made.clusters[name]["load_assignment"]["endpoints"]
    (member,) = group["lb_endpoints"]
    pod = config.endpoints[name]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["address"]
    assert tuple(member["endpoint"]["address"]["socket_address"].values()) == grounds.sites.by_address[pod].inbound(
        9080
    )
    assert made.clusters[name]["type"] == "STATIC"
    kept = ("circuit_breakers", "lb_policy", "connect_timeout")
    assert {key: made.clusters[name][key] for key in kept} == {key: config.clusters[name][key] for key in kept}
    prompt = {**config.clusters[name]["common_lb_config"], "update_merge_window": "0s"}
    assert made.clusters[name]["common_lb_config"] == prompt


def test_a_port_that_nobody_serves() -> None:
    """An endpoint's port that its workload does not serve refuses connections."""
    sites: Sites = placed(snapshot("").topology)
    site = next(each for each in sites.by_address.values() if each.instance.workload == "reviews-v1")
    assert sites.endpoint(site.instance.address, 1234) == (site.address, 1)
    gateway = next(each for each in sites.by_address.values() if each.instance.gateway)
    assert sites.endpoint(gateway.instance.address, 15021) == gateway.readiness
    assert sites.endpoint(gateway.instance.address, 8080) == gateway.listener("0.0.0.0_8080")


def test_a_place_is_kept() -> None:
    """A purpose has one port, chosen when first asked for."""
    site = next(iter(placed(snapshot("").topology).by_address.values()))
    assert site.listener("a") == site.listener("a")
    assert site.listener("a") != site.listener("b")
    assert len({site.readiness, site.workload(1), site.inbound(1), site.listener("1")}) == 4


def test_inbound_listeners() -> None:
    """Each port of a workload has a listener of its own with the plain filter chains, which lead to the workload."""
    config, made, grounds = grounded("", "reviews-v2", manifests=MORE)
    names = {name for name in made.listeners if name.startswith("virtualInbound")}
    assert names == {"virtualInbound_9080", "virtualInbound_7777"}
    known, sniffed = made.listeners["virtualInbound_9080"], made.listeners["virtualInbound_7777"]
    assert tuple(known["address"]["socket_address"].values()) == grounds.site.inbound(9080)
    assert [each["filter_chain_match"] for each in known["filter_chains"]] == [{"transport_protocol": "raw_buffer"}]
    assert len(sniffed["filter_chains"]) == 3
    names = {each["name"].rpartition(".")[2] for each in known["listener_filters"]}
    assert names == {"tls_inspector"}
    assert {each["name"].rpartition(".")[2] for each in sniffed["listener_filters"]} == {
        "tls_inspector",
        "http_inspector",
    }
    cluster = made.clusters["inbound|9080||"]
    (member,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert tuple(member["endpoint"]["address"]["socket_address"].values()) == grounds.site.workload(9080)
    assert cluster["circuit_breakers"] == config.clusters["inbound|9080||"]["circuit_breakers"]
    assert not cluster.keys() & {"upstream_bind_config", "cleanup_interval", "lb_policy"}


def test_outbound_listeners() -> None:
    """An outbound listener keeps its filters and stands at a port of its own; what was caught by interception is left out."""
    config, made, grounds = grounded("", "productpage-v1", manifests=MORE)
    for name in config.listeners.keys() - {"virtualInbound"}:
        assert tuple(made.listeners[name]["address"]["socket_address"].values()) == grounds.site.listener(name)
        assert not made.listeners[name].keys() & {"bind_to_port", "use_original_dst"}
    (rest,) = made.listeners["virtualOutbound"]["filter_chains"]
    assert rest["filters"][0]["typed_config"]["cluster"] == "PassthroughCluster"
    sniffed = made.listeners["10.0.0.83_7000"]
    assert "filter_chain_match" not in made.listeners["0.0.0.0_9080"]["default_filter_chain"]
    assert (
        sniffed["default_filter_chain"]["filters"][0]["typed_config"]["cluster"]
        == "outbound|7000||guess.default.svc.cluster.local"
    )


def test_outside() -> None:
    """What is let through goes to the one place that stands for all outside; what comes in for no port, nowhere."""
    _, made, grounds = grounded("", "productpage-v1")
    (member,) = made.clusters["PassthroughCluster"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert tuple(member["endpoint"]["address"]["socket_address"].values()) == grounds.sites.outside
    (member,) = made.clusters["InboundPassthroughCluster"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert tuple(member["endpoint"]["address"]["socket_address"].values()) == grounds.site.nowhere


@pytest.mark.parametrize("subset", ["", "v1"])
def test_passthrough_balancing(subset: str) -> None:
    """A call to a Service's own address reaches any of its instances, as through kube-proxy: subsets and places play no part."""
    near = "localityLbSetting: {failover: [{from: here, to: there}]}"
    rule = destination_rule(
        f"host: reviews\nsubsets: [{{name: v1, labels: {{version: v1}}}}]\n"
        f"trafficPolicy: {{loadBalancer: {{simple: PASSTHROUGH, {near}}}, outlierDetection: {{consecutive5xxErrors: 5}}}}"
    )
    cluster = grounded(rule, "productpage-v1")[1].clusters[f"outbound|9080|{subset}|{REVIEWS}"]
    assert (cluster["type"], cluster["lb_policy"]) == ("STATIC", "RANDOM")
    (group,) = cluster["load_assignment"]["endpoints"]
    assert group.keys() == {"lb_endpoints"}
    assert len(group["lb_endpoints"]) == 3


def test_routes_within_or_watched() -> None:
    """Routes stand in their listener, or in a file that it watches; they are the same routes."""
    config, within, _ = grounded(RULES, GATEWAY_NAME)
    manager = within.listeners["0.0.0.0_8080"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["route_config"] == without(config.routes["http.8080"], "@type")
    assert "rds" not in manager
    assert within.routes == {}
    _, watched, _ = grounded(RULES, GATEWAY_NAME, lambda name: f"/files/{name}")
    manager = watched.listeners["0.0.0.0_8080"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["rds"]["config_source"]["path_config_source"] == {"path": "/files/http.8080"}
    assert watched.routes == config.routes


def test_proxies_share_what_is_the_same() -> None:
    """Clusters that look the same from several proxies are grounded once."""
    given = snapshot(RULES)
    places = placed(given.topology)
    shared: dict[tuple[int, str], Any] = {}
    made = []
    for name in ("productpage-v1", "reviews-v1"):
        instance = given.topology.names[name][0]
        site = places.by_address[instance.address]
        made.append(ground(Grounds(given, translate(given, Proxy(instance)), site, places, nowhere, Written(), shared)))
    name = f"outbound|9080|v1|{REVIEWS}"
    assert made[0].clusters[name] is made[1].clusters[name]
    assert made[0].clusters["PassthroughCluster"] == made[1].clusters["PassthroughCluster"]


OUTSIDE = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dns}
spec:
  hosts: [dns.org]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}, {number: 50, name: grpc, protocol: GRPC}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none}
spec: {hosts: ['*.none.org'], addresses: [192.0.2.0/24], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: near}
spec: {hosts: [near.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, endpoints: [{address: reviews.default.svc.cluster.local, ports: {http: 9080}, weight: 2}, {address: far.org, weight: 1}]}
"""


def members(cluster: Json) -> list[tuple[tuple[str, int], int]]:
    """The addresses of a cluster's endpoints, and their weights."""
    found = [each for group in cluster["load_assignment"].get("endpoints", []) for each in group["lb_endpoints"]]
    return [
        (tuple(each["endpoint"]["address"]["socket_address"].values()), each.get("load_balancing_weight", 1))
        for each in found
    ]


def test_hosts_outside_are_addresses_here() -> None:
    """No cluster looks a name up, or goes on to where a connection was going: each has its stand-in's address."""
    _, made, grounds = grounded(OUTSIDE, "productpage-v1")
    assert {each["type"] for each in made.clusters.values()} == {"STATIC"}
    assert not any("dns" in key for each in made.clusters.values() for key in each)
    host = grounds.sites.host
    assert members(made.clusters["outbound|80||dns.org"]) == [(host("dns.org", 80), 1)]
    assert members(made.clusters["outbound|9000||*.none.org"]) == [(host("*.none.org", 9000), 1)]
    assert host("dns.org", 80)[0] == host("dns.org", 443)[0] != host("*.none.org", 9000)[0], (
        "each host has its own address"
    )
    assert all(each.startswith("127.") for each in addresses([made.listeners, made.clusters]))


def test_names_within_the_mesh() -> None:
    """A name of a Service among endpoints is its instances, which share its weight; so shares stay as they are."""
    _, made, grounds = grounded(OUTSIDE, "productpage-v1")
    found = dict(members(made.clusters["outbound|80||near.org"]))
    pods = [each.address for each in grounds.snapshot.topology.instances if each.app == "reviews"]
    inside = {grounds.sites.by_address[each].inbound(9080): 2 for each in pods}
    assert found == inside | {grounds.sites.host("far.org", 80): 3}


def test_the_last_hop_is_http_1() -> None:
    """Towards stand-ins HTTP/2 becomes HTTP/1.1; between proxies it stays."""
    more = """
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {selector: {app: ratings}, ports: [{name: http2, port: 5000}]}
"""
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

    def spoken(cluster: Json) -> set[str]:
        options = cluster["typed_extension_protocol_options"][name]
        return set(options.get("explicit_http_config") or options["use_downstream_protocol_config"])

    _, made, _ = grounded(OUTSIDE, "ratings-v1", manifests=more)
    assert spoken(made.clusters["outbound|50||dns.org"]) == {"http_protocol_options"}
    assert spoken(made.clusters["outbound|5000||two.default.svc.cluster.local"]) == {"http2_protocol_options"}
    assert spoken(made.clusters["inbound|5000||"]) == {"http_protocol_options"}


def test_ranges_of_destinations() -> None:
    """What a listener tells apart by destination are listeners of their own, without the ranges; the rest keeps the name."""
    config, made, grounds = grounded(OUTSIDE, "productpage-v1")
    assert "prefix_ranges" in json.dumps(config.listeners["0.0.0.0_9000"])
    assert "prefix_ranges" not in json.dumps(made.listeners)
    part, rest = made.listeners["0.0.0.0_9000 192.0.2.0/24"], made.listeners["0.0.0.0_9000"]
    (chain,) = part["filter_chains"]
    assert chain["filters"][-1]["typed_config"]["cluster"] == "outbound|9000||*.none.org"
    assert rest["filter_chains"] == []
    for each in (part, rest):
        assert each["default_filter_chain"]["filters"][0]["typed_config"]["cluster"] == "PassthroughCluster"
        assert tuple(each["address"]["socket_address"].values()) == grounds.site.listener(each["name"])


HEADLESS = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: guess, port: 5433}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: example/db}]}}
"""


@pytest.mark.parametrize("file", [None, "/somewhere"])
def test_pods_at_their_own_addresses(file: str | None) -> None:
    """A listener for a pod's own address leads to this pod, through bytes and through routes; the Service's name to any."""
    config, made, grounds = grounded("", "productpage-v1", lambda name: file, HEADLESS)
    pods = [each.address for each in grounds.snapshot.topology.names["db"]]
    for pod in pods:
        for port in (5432, 5433):
            name = f"outbound|{port}||db.default.svc.cluster.local {pod}"
            assert members(made.clusters[name]) == [(grounds.sites.endpoint(pod, port), 1)]
            listener = json.dumps(made.listeners[f"{pod}_{port}"])
            assert name in listener
            assert f'"cluster": "outbound|{port}||db.default.svc.cluster.local"' not in listener
    assert len(members(made.clusters["outbound|5432||db.default.svc.cluster.local"])) == 2
    assert set(made.routes) <= set(config.routes), "no file is written that nobody watches"
    assert "db.default.svc.cluster.local:5433" not in made.routes


SIDECAR = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: it}
spec: {egress: [{hosts: ["./details.default.svc.cluster.local"]}], outboundTrafficPolicy: {mode: MODE}}
"""


def test_services_that_are_let_through() -> None:
    """A Service that a Sidecar leaves out is found where it is, by its names on a port of routes, and by a listener of its own else."""
    _, made, grounds = grounded(SIDECAR.replace("MODE", "ALLOW_ANY"), "productpage-v1", lambda name: "/x", MORE)
    reviews = "PassthroughCluster reviews.default.svc.cluster.local:9080"
    pods = [each for each in grounds.snapshot.topology.instances if each.app == "reviews"]
    assert {place for place, _ in members(made.clusters[reviews])} == {
        grounds.sites.by_address[each.address].inbound(9080) for each in pods
    }
    (host,) = [each for each in made.routes["9080"]["virtual_hosts"] if "reviews" in each["domains"]]
    assert [each["route"]["cluster"] for each in host["routes"]] == [reviews]
    domains = [domain for each in made.routes["9080"]["virtual_hosts"] for domain in each["domains"]]
    assert len(domains) == len(set(domains)), "Envoy takes each domain once"
    guess = made.listeners["virtualOutbound 10.0.0.83_7000"]
    assert guess["filter_chains"][0]["filters"][0]["typed_config"]["cluster"].endswith(
        "guess.default.svc.cluster.local:7000"
    )
    assert (
        made.listeners["virtualOutbound"]["filter_chains"][0]["filters"][0]["typed_config"]["cluster"]
        == "PassthroughCluster"
    )


def test_services_that_are_blocked() -> None:
    """Where only what is known may be called, nothing is added."""
    _, made, _ = grounded(SIDECAR.replace("MODE", "REGISTRY_ONLY"), "productpage-v1", lambda name: "/x", MORE)
    assert not any(name.startswith("PassthroughCluster ") for name in made.clusters)
    assert "virtualOutbound 10.0.0.83_7000" not in made.listeners


TLS = GATEWAY.replace(
    'port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]',
    "port: {number: 443, name: https, protocol: HTTPS}, hosts: [HOSTS], tls: TLS",
)


def context(text: str) -> tuple[Json, Json]:
    """The TLS context of the gateway's only server as istiod sends it, and as it runs here."""
    config, made, _ = grounded(text, GATEWAY_NAME)
    pair = [
        each.listeners["0.0.0.0_8443"]["filter_chains"][0]["transport_socket"]["typed_config"]
        for each in (config, made)
    ]
    return pair[0], pair[1]


def test_secrets_stand_in_place() -> None:
    """What a gateway would ask for by name is there: for the hosts of the server, or those of its rules."""
    text = TLS.replace("HOSTS", "a.org, '*.b.org'").replace(
        "TLS", "{mode: MUTUAL, credentialName: c, subjectAltNames: [x.org]}"
    )
    sent, made = context(text)
    assert "sds" in json.dumps(sent)
    common = made["common_tls_context"]
    assert "sds" not in json.dumps(made)
    (certificate,) = common["tls_certificates"]
    assert certificate["certificate_chain"] == {"inline_string": "certificate kubernetes://c for *.b.org, a.org"}
    assert certificate["private_key"] == {"inline_string": "key kubernetes://c"}
    assert common["validation_context"]["trusted_ca"] == {"inline_string": "authority kubernetes://c-cacert"}
    assert common["validation_context"]["match_subject_alt_names"] == [{"exact": "x.org"}]
    kept = ("alpn_protocols", "tls_params")
    assert {key: common.get(key) for key in kept} == {key: sent["common_tls_context"].get(key) for key in kept}
    assert made["require_client_certificate"] is True
    anything = TLS.replace("HOSTS", "'*'").replace("TLS", "{mode: SIMPLE, credentialName: c}")
    rules = virtual_service("- route: [{destination: {host: reviews}}]", "['*.c.org', d.org]", more="gateways: [edge]")
    (certificate,) = context(anything + rules)[1]["common_tls_context"]["tls_certificates"]
    assert certificate["certificate_chain"]["inline_string"].endswith("for *.c.org, d.org, localhost")


def test_secrets_of_clients() -> None:
    """A DestinationRule's certificate is the caller's own; what it trusts is there too."""
    rule = destination_rule(
        "host: dns.org\ntrafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /a}}"
    )
    _, made, grounds = grounded(OUTSIDE + rule, "productpage-v1")
    common = made.clusters["outbound|443||dns.org"]["transport_socket"]["typed_config"]["common_tls_context"]
    (certificate,) = common["tls_certificates"]
    assert (
        certificate["certificate_chain"]["inline_string"]
        == f"certificate file-cert:/c~/k for {grounds.site.instance.name}"
    )
    assert common["validation_context"]["trusted_ca"] == {"inline_string": "authority file-root:/a"}
