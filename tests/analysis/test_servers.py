"""Servers of Gateways that are right, though they look otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshtest.analysis.reading import findings
from tests.resources.bookinfo_networking import text

EGRESS = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: https-for-tls-origination, protocol: HTTPS}
    hosts: [productpage.example.com]
    tls: {mode: %s}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: egress, namespace: istio-system}
spec:
  hosts: [productpage.example.com]
  gateways: [egress]
  http:
  - route: [{destination: {host: productpage.default.svc.cluster.local, port: {number: 9080}}}]
"""


@pytest.mark.parametrize(
    ("mode", "codes"), [("ISTIO_MUTUAL", set()), ("SIMPLE, serverCertificate: /c, privateKey: /k", {"MT0606"})]
)
def test_only_sidecars_call_with_mutual_tls(mode: str, codes: set[str], tmp_path: Path) -> None:
    """Istio's egress gateways take it on port 80, which no other client uses."""
    (tmp_path / "egress.yaml").write_text(EGRESS % mode)
    assert {each.code.name for each in findings([tmp_path / "egress.yaml"])} == codes


def test_a_topology_of_services_only(tmp_path: Path) -> None:
    """Where a topology has no gateway, Istio's own is taken to be there, as the local mesh does."""
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: productpage}\nspec: {ports: [{name: http, port: 9080}]}\n"
    )
    (tmp_path / "services.yaml").write_text(service)
    (tmp_path / "gateway.yaml").write_text(text("bookinfo-gateway"))
    assert [str(each) for each in findings([tmp_path / "gateway.yaml"], [tmp_path / "services.yaml"])] == []
