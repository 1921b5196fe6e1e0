"""What a proxy can see: exportTo, Sidecars, several Services of a name."""

from __future__ import annotations

import textwrap

import pytest

from meshtest.translate.snapshot import Proxy
from tests.translate.snapshots import config, snapshot, virtual_service


def sidecar(spec: str, namespace: str = "default", name: str = "it") -> str:
    """A Sidecar."""
    head = f"---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
    return head + textwrap.indent(spec, "  ") + "\n"


def entry(host: str, more: str = "", namespace: str = "default", name: str = "it") -> str:
    """A ServiceEntry of a host, HTTP on port 80."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: ["{host}"]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.1}}]
  {more}
"""


def seen(text: str, proxy: str = "productpage-v1", manifests: str = "") -> list[str]:
    """The first names of the hosts that a proxy sees."""
    given = snapshot(text, manifests)
    found = given.scope(Proxy(given.topology.names[proxy][0])).services
    return [each.hostname.removesuffix(".default.svc.cluster.local") for each in found]


ALL = ["details", "istio-ingressgateway.istio-system.svc.cluster.local", "productpage", "ratings", "reviews"]


@pytest.mark.parametrize(
    ("hosts", "wanted"),
    [
        ('["*/*"]', ALL),
        ("[./*]", ["details", "productpage", "ratings", "reviews"]),
        ("[istio-system/*]", ALL[1:2]),
        ("[./reviews.default.svc.cluster.local, istio-system/*]", [ALL[1], "reviews"]),
        ('["*/reviews.default.svc.cluster.local"]', ["reviews"]),
        ("[other/*]", []),
        ('["~/*"]', []),
        ("[./*, ~./ratings.default.svc.cluster.local]", ["details", "productpage", "reviews"]),
        ('["*/*.default.svc.cluster.local"]', ["details", "productpage", "ratings", "reviews"]),
    ],
)
def test_egress_hosts(hosts: str, wanted: list[str]) -> None:
    """A listener lets through the hosts that it names, by namespace."""
    assert sorted(seen(sidecar(f"egress: [{{hosts: {hosts}}}]"))) == sorted(wanted)


def test_destinations_of_rules_come_along() -> None:
    """What a visible rule sends to is visible, with the ports that it names."""
    text = sidecar("egress: [{hosts: [./reviews.default.svc.cluster.local]}]")
    assert seen(text + virtual_service("- route: [{destination: {host: ratings}}]")) == ["reviews", "ratings"]
    hidden = virtual_service("- {match: [{sourceNamespace: other}], route: [{destination: {host: ratings}}]}")
    assert seen(text + hidden) == ["reviews"]
    wrong_port = virtual_service("- route: [{destination: {host: ratings, port: {number: 1}}}]")
    assert seen(text + wrong_port) == ["reviews"]


def test_which_sidecar() -> None:
    """A selector comes before the namespace's own, that before the root namespace's; a gateway has none."""
    root = sidecar("egress: [{hosts: [./ratings.default.svc.cluster.local]}]", "istio-system", "root")
    own = sidecar("egress: [{hosts: [./reviews.default.svc.cluster.local]}]", name="own")
    selected = sidecar(
        "workloadSelector: {labels: {app: productpage}}\negress: [{hosts: [./details.default.svc.cluster.local]}]"
    )
    assert seen(root) == ["ratings"]
    assert seen(root + own) == ["reviews"]
    assert seen(root + own + selected) == ["details"]
    assert seen(root + own + selected, "reviews-v1") == ["reviews"]
    assert sorted(seen(root + own, "istio-ingressgateway")) == sorted(ALL)


@pytest.mark.parametrize(
    ("export_to", "namespace", "visible"),
    [
        ("[.]", "default", True),
        ("[.]", "other", False),
        ("[default]", "other", True),
        ('["*"]', "other", True),
        ('["~"]', "default", False),
    ],
)
def test_export_to(export_to: str, namespace: str, visible: bool) -> None:
    """A ServiceEntry is seen where it is exported to."""
    assert ("api.example.com" in seen(entry("api.example.com", f"exportTo: {export_to}", namespace))) is visible


def test_one_service_a_host() -> None:
    """Of several Services of a name that of the own namespace counts, then Kubernetes' own."""
    reviews = "reviews.default.svc.cluster.local"
    given = snapshot(entry(reviews, namespace="other") + entry("x.example.com", namespace="a") + entry("x.example.com"))
    found = given.scope(Proxy(given.topology.names["productpage-v1"][0])).by_hostname
    assert not found[reviews].entry
    assert found["x.example.com"].namespace == "default"


@pytest.mark.parametrize(
    ("policy", "cluster"),
    [
        ("{mode: ALLOW_ANY}", "PassthroughCluster"),
        ("{mode: REGISTRY_ONLY}", None),
        ("{}", None),
        ("{mode: ALLOW_ANY, egressProxy: {host: out.example.com, port: {number: 80}}}", "outbound|80||out.example.com"),
    ],
)
def test_unknown_hosts(policy: str, cluster: str | None) -> None:
    """A Sidecar says where calls go to hosts that nobody knows."""
    made = config(sidecar(f"outboundTrafficPolicy: {policy}"))
    (route,) = next(each for each in made.routes["9080"]["virtual_hosts"] if each["domains"] == ["*"])["routes"]
    assert route.get("route", {}).get("cluster") == cluster
    assert cluster is not None or route["direct_response"] == {"status": 502}
    chain = made.listeners["virtualOutbound"]["filter_chains"][1]
    assert chain["filters"][0]["typed_config"]["cluster"] == cluster or "BlackHoleCluster"


def test_listeners_of_its_own() -> None:
    """A port that a Sidecar names has only what it lists; others have the rest. Without capture it is bound."""
    made = config(
        sidecar(
            """
egress:
- {port: {number: 9080, protocol: HTTP, name: a}, hosts: [./reviews.default.svc.cluster.local]}
- {port: {number: 81, protocol: TCP, name: b}, bind: 127.0.0.1, captureMode: NONE, hosts: [./api.example.com]}
- {hosts: ["*/*"]}
"""
        )
        + entry("api.example.com").replace(
            "number: 80, name: http, protocol: HTTP", "number: 81, name: tcp, protocol: TCP"
        )
    )
    names = [each["name"] for each in made.routes["9080"]["virtual_hosts"]]
    assert names == ["allow_any", "reviews.default.svc.cluster.local:9080"]
    bound = made.listeners["127.0.0.1_81"]
    assert "bind_to_port" not in bound
    assert bound["filter_chains"][0]["filters"][0]["typed_config"]["cluster"] == "outbound|81||api.example.com"
    assert made.listeners["0.0.0.0_9080"]["bind_to_port"] is False
