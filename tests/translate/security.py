"""Security resources as text, and what they make of a proxy's listeners."""

from __future__ import annotations

import textwrap

from tests.translate.snapshots import Json, config

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: many, namespace: default}
spec:
  clusterIP: 10.0.0.90
  selector: {app: many}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 9000}, {name: guess, port: 7000}]
---
apiVersion: v1
kind: Pod
metadata: {name: many-v1-0, namespace: default, labels: {app: many, version: v1}}
status: {podIP: 10.20.0.1}
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: other}
spec: {clusterIP: 10.0.0.91, selector: {app: far}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far-v1-0, namespace: other, labels: {app: far}}
"""


def policy(spec: str, name: str = "it", namespace: str = "default", annotations: str = "{}") -> str:
    """An AuthorizationPolicy; `spec` is the YAML of a mapping."""
    return security("AuthorizationPolicy", spec, name, namespace, annotations)


def peer(spec: str, name: str = "it", namespace: str = "default") -> str:
    """A PeerAuthentication; `spec` is the YAML of a mapping."""
    return security("PeerAuthentication", spec, name, namespace)


def security(kind: str, spec: str, name: str = "it", namespace: str = "default", annotations: str = "{}") -> str:
    """A resource of security.istio.io."""
    metadata = f"{{name: {name}, namespace: {namespace}, annotations: {annotations}}}"
    head = f"---\napiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {metadata}\nspec:\n"
    return head + textwrap.indent(spec.strip() or "{}", "  ") + "\n"


def inbound(text: str, proxy: str = "many-v1") -> Json:
    """The listener for calls to a workload."""
    return config(text, proxy, SERVICES).listeners["virtualInbound"]


def chains(text: str, port: int, proxy: str = "many-v1") -> list[Json]:
    """The filter chains of a workload's port; 0 is any port that has none."""
    found = inbound(text, proxy)["filter_chains"]
    return [each for each in found if each["filter_chain_match"].get("destination_port", 0) == port]


def manager(chain: Json) -> Json:
    """The HTTP connection manager of a filter chain."""
    found: Json = chain["filters"][-1]["typed_config"]
    assert found["@type"].endswith("HttpConnectionManager")
    return found


def http_policies(text: str, proxy: str = "many-v1", port: int = 8080) -> list[Json]:
    """The RBAC filters for requests to an HTTP port: they stand before all others."""
    return _before(manager(chains(text, port, proxy)[0])["http_filters"], "envoy.filters.http.rbac")


def tcp_policies(text: str, proxy: str = "many-v1", port: int = 9000) -> list[Json]:
    """The RBAC filters for connections to a port that carries no HTTP."""
    return _before(chains(text, port, proxy)[0]["filters"], "envoy.filters.network.rbac")


def _before(filters: list[Json], name: str) -> list[Json]:
    names = [each["name"] for each in filters]
    found = [each["typed_config"] for each in filters if each["name"] == name]
    assert names[: len(found)] == [name] * len(found)
    return found
