"""Manifests for the tests of meshes."""

from __future__ import annotations

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
"""

SUBSETS = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
"""


def rules(http: str, hosts: str = '["*"]', gateways: str = "[edge]", name: str = "rules") -> str:
    """A VirtualService with these `http` entries (YAML of a list, in flow or block style)."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: {hosts}
  gateways: {gateways}
  http: {http}
"""


def to(subset: str) -> str:
    """One rule that sends everything to a subset of reviews."""
    return f"[{{route: [{{destination: {{host: reviews, subset: {subset}}}}}]}}]"
