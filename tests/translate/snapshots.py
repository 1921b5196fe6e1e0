"""Configurations of Bookinfo's proxies under resources given as text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

from meshtest.resources.manifest import check, is_istio, read_text
from meshtest.topology.default import bookinfo, default_topology
from meshtest.topology.topology import Topology
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]
REVIEWS = "reviews.default.svc.cluster.local"
GATEWAY_NAME = "istio-ingressgateway"

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""

SUBSETS = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]
"""


def virtual_service(
    http: str, hosts: str = "[reviews]", name: str = "it", more: str = "", namespace: str = "default"
) -> str:
    """A VirtualService; `http` is the YAML of a list, `more` that of other fields of the spec."""
    fields = f"hosts: {hosts}\nhttp:\n{textwrap.indent(http.strip(), '  ')}\n{more}"
    return _resource("VirtualService", name, namespace, fields)


def destination_rule(spec: str, name: str = "it", namespace: str = "default") -> str:
    """A DestinationRule; `spec` is the YAML of a mapping."""
    return _resource("DestinationRule", name, namespace, spec)


def gateway(
    servers: str, name: str = "edge", selector: str = "{istio: ingressgateway}", namespace: str = "default"
) -> str:
    """A Gateway; `servers` is the YAML of a list in flow style."""
    return _resource("Gateway", name, namespace, f"selector: {selector}\nservers: {servers}")


def _resource(kind: str, name: str, namespace: str, spec: str) -> str:
    head = f"---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
    return head + textwrap.indent(spec.strip(), "  ") + "\n"


@cache
def topology(manifests: str = "") -> Topology:
    """Bookinfo with an ingress gateway, and what else is given."""
    return default_topology([], read_text(manifests, "more.yaml")) if manifests else default_topology([])


def snapshot(text: str, manifests: str = "") -> Snapshot:
    """The resources in force in that topology."""
    found = read_text(text, "test.yaml") if text else []
    assert all(is_istio(each) for each in found)
    return Snapshot(topology(manifests), check(found))


def config(text: str, proxy: str = "productpage-v1", manifests: str = "") -> ProxyConfig:
    """What a proxy is sent."""
    given = snapshot(text, manifests)
    return translate(given, Proxy(given.topology.names[proxy][0]))


def virtual_host(made: ProxyConfig, route: str, name: str) -> Json:
    """A virtual host by its name."""
    found: list[Json] = [each for each in made.routes[route]["virtual_hosts"] if each["name"] == name]
    assert len(found) == 1, [each["name"] for each in made.routes[route]["virtual_hosts"]]
    return found[0]


def routes(text: str, proxy: str = "productpage-v1", manifests: str = "") -> list[Json]:
    """The routes for reviews from a sidecar."""
    found: list[Json] = virtual_host(config(text, proxy, manifests), "9080", f"{REVIEWS}:9080")["routes"]
    return found


def gateway_routes(text: str, name: str = "*:80") -> list[Json]:
    """The routes of a virtual host of the ingress gateway's HTTP port."""
    found: list[Json] = virtual_host(config(text, GATEWAY_NAME), "http.8080", name)["routes"]
    return found


def reviews_cluster(spec: str, subset: str = "", port: int = 9080, proxy: str = "productpage-v1") -> Json:
    """The cluster for reviews under a DestinationRule with this spec beside its host."""
    text = destination_rule(f"host: reviews\n{spec}")
    found: Json = config(text, proxy).clusters[f"outbound|{port}|{subset}|{REVIEWS}"]
    return found


def without(value: Mapping[str, Any], *keys: str) -> Json:
    """A copy without these keys."""
    return {key: item for key, item in value.items() if key not in keys}


__all__ = ["bookinfo", "config", "destination_rule", "gateway", "routes", "snapshot", "topology", "virtual_service"]
