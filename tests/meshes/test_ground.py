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
    kept = ("circuit_breakers", "lb_policy", "connect_timeout", "common_lb_config")
    assert {key: made.clusters[name][key] for key in kept} == {key: config.clusters[name][key] for key in kept}


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


def test_passthrough_balancing() -> None:
    """A call to a Service's own address reaches one of its instances at random, as through kube-proxy."""
    rule = destination_rule("host: reviews\ntrafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}")
    cluster = grounded(rule, "productpage-v1")[1].clusters[f"outbound|9080||{REVIEWS}"]
    assert (cluster["type"], cluster["lb_policy"]) == ("STATIC", "RANDOM")
    assert len(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]) == 3


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
