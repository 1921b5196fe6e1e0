"""Hosts of a run's own at a gateway that serves others, and what would take theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.shared_gateway import OwnHosts, serves_others, taken_from_others
from meshtest.resources.manifest import read_text

OWN = OwnHosts("ab12.meshtest")
INGRESS = {"istio": "ingressgateway", "app": "istio-ingressgateway"}
NAMES = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,3}", fullmatch=True)


def gateway(hosts: str, port: int = 80, protocol: str = "HTTP", name: str = "edge", selector: str = "ingressgateway"):
    return read_text(
        f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  selector: {{istio: {selector}}}
  servers: [{{port: {{number: {port}, name: p, protocol: {protocol}}}, hosts: {hosts}}}]
""",
        "own.yaml",
    )[0]


def virtual_service(text: str):
    head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: "
    return read_text(f"{head}{text}", "own.yaml")[0]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("shop.example.com", "shop.example.com.ab12.meshtest"),
        ("shop.example.com:8080", "shop.example.com.ab12.meshtest:8080"),
        ("*", "*.ab12.meshtest"),
        ("*.example.com", "*.example.com.ab12.meshtest"),
        ("", ""),
    ],
)
def test_hosts(host: str, own: str) -> None:
    assert OWN.of(host) == own
    assert OWN.of(own) == own, "it is done once"


@given(NAMES, NAMES)
def test_distinct_hosts_stay_distinct(one: str, other: str) -> None:
    """No two hosts become one, and none is another run's."""
    assert (OWN.of(one) == OWN.of(other)) == (one == other)
    assert OWN.of(one) != OwnHosts("cd34.meshtest").of(other)


def test_gateways_and_their_rules() -> None:
    """Namespaces before hosts stay, authorities that are looked at follow; what is for the mesh only stays as it is."""
    found = OWN.resource(gateway("['*', shop/a.example.com]"))
    assert found.spec["servers"][0]["hosts"] == ["*.ab12.meshtest", "shop/a.example.com.ab12.meshtest"]
    rule = OWN.resource(
        virtual_service(
            "{hosts: [a.com], gateways: [edge], http: [{match: [{authority: {exact: a.com}}, {uri: {exact: /}}]}]}"
        )
    )
    assert rule.spec["hosts"] == ["a.com.ab12.meshtest"]
    assert rule.spec["http"][0]["match"] == [{"authority": {"exact": "a.com.ab12.meshtest"}}, {"uri": {"exact": "/"}}]
    both = OWN.resource(virtual_service("{hosts: [reviews], gateways: [edge, mesh], http: []}"))
    assert both.spec["hosts"] == ["reviews", "reviews.ab12.meshtest"]
    passing = OWN.resource(
        virtual_service("{hosts: [a.com], gateways: [edge], tls: [{match: [{port: 443, sniHosts: [a.com]}]}]}")
    )
    assert passing.spec["tls"] == [{"match": [{"port": 443, "sniHosts": ["a.com.ab12.meshtest"]}]}]
    inside = virtual_service("{hosts: [reviews], http: []}")
    assert OWN.resource(inside) == inside


def test_others_are_served() -> None:
    """Only Gateways that select the gateway's pods count."""
    assert serves_others([gateway("['*']")], INGRESS)
    assert not serves_others([gateway("['*']", selector="egressgateway"), virtual_service("{hosts: [a]}")], INGRESS)


@pytest.mark.parametrize(
    ("own", "others", "said"),
    [
        (
            gateway("['*']"),
            gateway("[shop.com]", name="shop"),
            "would take shop.com (by *) on port 80 from Gateway default/shop",
        ),
        (gateway("[a.com]"), gateway("['x/a.com']", name="shop"), "would take a.com on port 80"),
        (
            gateway("['*']", 9000, "TCP"),
            gateway("['*']", 9000, "TCP", "shop"),
            "would take all connections on port 9000",
        ),
        (gateway("['*']"), gateway("[shop.com]", 8080, name="shop"), ""),
        (gateway("[a.com]"), gateway("[b.com]", name="shop"), ""),
        (gateway("['*']"), gateway("['*']", name="out", selector="egressgateway"), ""),
        (OWN.resource(gateway("['*']")), gateway("[shop.com, '*.example.com']", name="shop"), ""),
        (OWN.resource(gateway("['*', a.com]")), gateway("['*']", name="shop"), ""),
    ],
)
def test_what_would_be_taken(own, others, said: str) -> None:
    """It names the host, the port, whose it is, and what to do."""
    problems = taken_from_others([own], [others], INGRESS, OWN)
    assert bool(problems) == bool(said)
    for each in problems:
        assert said in str(each)
        assert str(each).startswith("own.yaml:")
        assert "--mesh-insist" in str(each)
