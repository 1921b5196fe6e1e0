"""Where requests enter and leave, and what of a rule's destinations does not exist."""

from __future__ import annotations

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.local.destinations import destinations
from meshtest.meshes.local.entrance import entrance
from meshtest.meshes.local.exit import listener_for
from meshtest.traffic.request import GET
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy
from tests.translate.snapshots import (
    GATEWAY,
    GATEWAY_NAME,
    REVIEWS,
    SUBSETS,
    config,
    destination_rule,
    gateway,
    snapshot,
    topology,
    virtual_service,
)

TO = "- route: [{destination: {host: reviews}}]"
HTTP = "port: {number: 80, name: http, protocol: HTTP}"


def enter(text: str, target: str) -> tuple[int, str]:
    """The proxy's port for a request from outside, and its Host."""
    given = snapshot(text)
    server, host = entrance(given, Proxy(given.topology.names[GATEWAY_NAME][0]), GET(target))
    return server.target, host


def bound(hosts: str, name: str = "it") -> str:
    """A VirtualService bound to the gateway."""
    return virtual_service(TO, hosts, name, "gateways: [edge]")


@pytest.mark.parametrize(
    ("servers", "hosts", "host"),
    [
        ("['*']", "['*']", "ingress"),
        ("['*']", "[a.b]", "a.b"),
        ("[a.b]", "['*']", "a.b"),
        ("[a.b, c.d]", "[c.d]", "c.d"),
        ("['*.b']", "[x.y, c.b]", "c.b"),
        ("['*.b']", "['*.b']", "ingress.b"),
        ("['*.b']", "['*']", "ingress.b"),
        ("[a.b]", "[c.d]", "a.b"),
        ("['./a.b']", "['*']", "a.b"),
    ],
)
def test_the_host_to_ask_for(servers: str, hosts: str, host: str) -> None:
    """A request without a host asks for one that the server takes and a rule decides, if there is one."""
    assert enter(gateway(f"[{{{HTTP}, hosts: {servers}}}]") + bound(hosts), "/") == (8080, host)


def test_the_port_to_enter() -> None:
    """The server is found by the port of the URL; without one it is the first, and of a URL it is 80."""
    text = gateway(
        f"[{{port: {{number: 8081, name: first, protocol: HTTP}}, hosts: ['*']}}, {{{HTTP}, hosts: ['*']}}]"
    ) + bound("['*']")
    assert enter(text, "/") == (8081, "ingress")
    assert enter(text, "http://a.b/") == (8080, "a.b")
    assert enter(text, "http://a.b:8081/") == (8081, "a.b:8081")
    with pytest.raises(
        MeshError, match=r"no server of an applied Gateway listens on port 9999.* there are servers on 80, 8081"
    ):
        enter(text, "http://a.b:9999/")
    with pytest.raises(MeshError, match="no Gateway is applied that selects it"):
        enter("", "/")


MORE = """
apiVersion: v1
kind: Service
metadata: {name: guess}
spec: {clusterIP: 10.0.0.83, selector: {app: reviews}, ports: [{name: anything, port: 7000}]}
"""


@pytest.mark.parametrize(
    ("authority", "listener"),
    [
        *(
            ("reviews:9080", "0.0.0.0_9080"),
            ("REVIEWS.default:9080", "0.0.0.0_9080"),
            ("example.com:9080", "0.0.0.0_9080"),
        ),
        *(
            ("guess:7000", "10.0.0.83_7000"),
            ("10.0.0.83:7000", "10.0.0.83_7000"),
            ("guess.default.svc:7000", "10.0.0.83_7000"),
        ),
        *(
            ("example.com:7000", "virtualOutbound"),
            ("example.com", "0.0.0.0_80"),
            ("example.com:1234", "virtualOutbound"),
        ),
    ],
)
def test_the_way_out(authority: str, listener: str) -> None:
    """A call leaves through the listener of its Service's address, else of its port, else of the rest."""
    made = topology(MORE)
    assert listener_for(made, made.names["productpage-v1"][0], config("", manifests=MORE), authority) == listener


def missing(text: str, **clusters: int) -> list[str]:
    """What is missing of destinations (PORT_SUBSET_HOST) as the ingress gateway sees them."""
    given = snapshot(text)
    made = translate(given, Proxy(given.topology.names[GATEWAY_NAME][0]))
    names = {
        "outbound|{}|{}|{}.default.svc.cluster.local".format(*name[1:].split("_")): weight
        for name, weight in clusters.items()
    }
    return [each.missing for each in destinations(given, made, names)]


def test_shares() -> None:
    """Weights become shares of all."""
    given = snapshot(GATEWAY + SUBSETS)
    made = translate(given, Proxy(given.topology.names[GATEWAY_NAME][0]))
    found = destinations(given, made, {f"outbound|9080|v1|{REVIEWS}": 1, f"outbound|9080|v2|{REVIEWS}": 3})
    assert [(each.host, each.subset, each.share, each.missing) for each in found] == [
        (REVIEWS, "v1", 0.25, ""),
        (REVIEWS, "v2", 0.75, ""),
    ]
    assert str(found[1]) == "reviews v2 75 %"


def test_what_is_missing() -> None:
    """A destination that does not exist is explained: Service, port, subset, pods."""
    assert missing(SUBSETS, p9080_v1_reviews=1) == [""]
    assert (
        "there is no Service review.default.svc.cluster.local; did you mean 'reviews'?"
        in missing("", p9080__review=1)[0]
    )
    assert missing("", p80__reviews=1) == [f"the Service {REVIEWS} has no port 80; it has 9080"]
    assert "no DestinationRule in force defines subsets" in missing("", p9080_v1_reviews=1)[0]
    said = missing(SUBSETS, p9080_v11_reviews=1)[0]
    assert said.startswith(f"no subset 'v11' of {REVIEWS} is defined (at test.yaml:8: v1, v2, v3); did you mean 'v1'?")
    unlabelled = destination_rule("host: reviews\nsubsets: [{name: v4, labels: {version: v4}}]")
    said = missing(unlabelled, p9080_v4_reviews=1)[0]
    assert said.startswith(
        "no instance has the labels {'version': 'v4'} of subset 'v4' (at test.yaml:7); instances of reviews have"
    )


def test_rules_that_do_not_count() -> None:
    """A subset that only a rule out of sight defines is told from one that nobody defines."""
    hidden = destination_rule("host: reviews.default.svc.cluster.local\nsubsets: [{name: v1}]", namespace="team-a")
    assert "by a rule that does not count here" in missing(hidden, p9080_v1_reviews=1)[0]
    other = destination_rule("host: reviews\nsubsets: [{name: v1}]", namespace="team-a")
    assert "no DestinationRule in force defines subsets" in missing(other, p9080_v1_reviews=1)[0]
