"""An egress gateway among the manifests: what leaves the mesh passes it, read or unread, on real Envoys."""

from __future__ import annotations

import time

import pytest

from tests.meshes.conftest import Town
from tests.meshes.manifests import EGRESS_GATEWAY, WEB

MANIFESTS = WEB + EGRESS_GATEWAY
ENTRY = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: it}
spec:
  hosts: [api.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: https, protocol: HTTPS}]
  resolution: DNS
"""


def gateway(server: str) -> str:
    """A Gateway of the egress gateway."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: out}}
spec: {{selector: {{istio: egressgateway}}, servers: [{server}]}}
"""


def rule(section: str) -> str:
    """The VirtualService of Istio's documentation: from workloads to the gateway, and from there outside."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: out}}
spec:
  hosts: [api.example.com]
  gateways: [out, mesh]
  {section}
"""


GATEWAY_HOST = "istio-egressgateway.istio-system.svc.cluster.local"
HTTP = rule(
    f"""http:
  - {{match: [{{gateways: [mesh], port: 80}}], route: [{{destination: {{host: {GATEWAY_HOST}, port: {{number: 80}}}}}}]}}
  - {{match: [{{gateways: [out], port: 80}}], route: [{{destination: {{host: api.example.com, port: {{number: PORT}}}}}}]}}"""
)
TLS = rule(
    f"""tls:
  - {{match: [{{gateways: [mesh], port: 443, sniHosts: [api.example.com]}}], route: [{{destination: {{host: {GATEWAY_HOST}, port: {{number: 443}}}}}}]}}
  - {{match: [{{gateways: [out], port: 443, sniHosts: [api.example.com]}}], route: [{{destination: {{host: api.example.com, port: {{number: 443}}}}}}]}}"""
)
PLAIN = gateway("{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example.com]}")


def logged(town: Town, workload: str, text: str) -> None:
    """The access log of a proxy comes to hold a text (Envoy flushes it every 100 ms)."""
    log = town.mesh._of(workload).access_log
    deadline = time.monotonic() + 20
    while text not in log.read_text():
        assert time.monotonic() < deadline, f"{text!r} never came into the log of {workload}: {log.read_text()[-2000:]}"
        time.sleep(0.02)


def test_http(town: Town) -> None:
    """A plain call goes through the sidecar, the egress gateway, and out; both gateways are there."""
    assert {"istio-egressgateway", "istio-ingressgateway", "web-v1"} == set(town.mesh.workloads())
    town.put(ENTRY + PLAIN + HTTP.replace("PORT", "80"))
    answer = town.workload().get("http://api.example.com/through?it=1")
    assert (answer.json()["podname"], answer.json()["path"]) == ("api.example.com", "/through?it=1")
    logged(town, "web-v1", f"outbound|80||{GATEWAY_HOST}")
    logged(town, "istio-egressgateway", "outbound|80||api.example.com")


def test_without_the_gateways_server(town: Town) -> None:
    """Where the egress gateway does not listen, nothing arrives."""
    town.put(ENTRY + HTTP.replace("PORT", "80"))
    assert town.workload().get("http://api.example.com/").status_code == 503


def test_tls_that_the_gateway_begins(town: Town) -> None:
    """A plain call leaves the mesh with TLS, that the egress gateway begins."""
    origination = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: it}
spec: {host: api.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: MODE}}]}}
"""
    town.put(ENTRY + PLAIN + HTTP.replace("PORT", "443") + origination.replace("MODE", "SIMPLE"))
    said = town.workload().get("http://api.example.com/").json()
    assert said["tls"] == {"server_name": "api.example.com", "client": []}
    town.put(
        ENTRY + PLAIN + HTTP.replace("PORT", "443") + origination.replace("MODE", "MUTUAL, credentialName: client")
    )
    said = town.workload().get("http://api.example.com/").json()
    assert said["tls"]["client"] == ["spiffe://cluster.local/ns/istio-system/sa/default"]


def test_tls_that_passes_through(town: Town) -> None:
    """A call with TLS passes the egress gateway unread, by its server name."""
    server = "{port: {number: 443, name: tls, protocol: TLS}, hosts: [api.example.com], tls: {mode: PASSTHROUGH}}"
    town.put(ENTRY + gateway(server) + TLS)
    said = town.workload().get("https://api.example.com/a").json()
    assert (said["podname"], said["tls"]["server_name"]) == ("api.example.com", "api.example.com")
    logged(town, "istio-egressgateway", "outbound|443||api.example.com")


def test_a_gateway_calls_nobody_by_itself(town: Town) -> None:
    """A gateway is no source of calls, and says so."""
    with pytest.raises(ValueError, match="istio-egressgateway is a gateway: it hands on what comes to it"):
        town.workload("istio-egressgateway").get("http://api.example.com/")
