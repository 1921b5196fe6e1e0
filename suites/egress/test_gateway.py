"""An egress gateway: what leaves the mesh passes it."""

import pytest

from meshtest import GET, answered, received

NOT_NOTICED = {
    "Gateway/out:selector:removed": "the ingress gateway listens then, too, where nobody asks for the host",
    "ServiceEntry/*:ports*.protocol*": "the same requests, by another version of HTTP, or by one that is found out",
    "ServiceEntry/*:resolution=DNS_ROUND_ROBIN": "the host has one address",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("hosts-outside"),
    pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED),
]

ITEMS = GET("http://api.example.com/items?x=1")
LEFT = received(path="/items?x=1", host="api.example.com", headers={"x-left-by": "egress"}, within=20)
FORBIDDEN = answered(451, details="direct_response", within=20)


def test_way_out(mesh):
    """Calls go from the sidecar to the egress gateway, and from there to the host outside, each by rules of its own."""
    mesh.apply("test_gateway.yaml")
    client = mesh.workload("client")
    client.expect(ITEMS, LEFT & answered(200, within=20))
    log = mesh.access_log(client.get(ITEMS.target))
    gateway = "outbound|80||istio-egressgateway.istio-system.svc.cluster.local"
    assert [entry.upstream_cluster for entry in log] == [gateway, "outbound|80||api.example.com"]


def test_what_stays(mesh):
    """What the sidecar answers itself never gets to the egress gateway."""
    mesh.apply("test_gateway.yaml")
    client = mesh.workload("client")
    client.expect(GET("http://api.example.com/forbidden"), FORBIDDEN)
    client.expect(GET("http://api.example.com/forbidden/a"), FORBIDDEN)
    assert len(mesh.access_log(client.get("http://api.example.com/forbidden"))) == 1
    client.expect(GET("http://api.example.com/a/forbidden"), answered(200, within=20))


def test_controls(mesh):
    """A sidecar that answers a fifth itself is noticed."""
    mesh.apply("test_gateway.yaml")
    mesh.workload("client").control(ITEMS, received(path="/items?x=1", host="api.example.com", within=20))
    mesh.workload("client").control(GET("http://api.example.com/forbidden"), FORBIDDEN)
