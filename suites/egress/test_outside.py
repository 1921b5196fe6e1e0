"""Hosts outside the mesh that a ServiceEntry makes known: rules count for them as for services of the mesh."""

import pytest

from meshtest import GET, answered, received, timed_out

NOT_NOTICED = {
    "ServiceEntry/*:ports*.protocol*": "the same requests, by another version of HTTP, or by one that is found out",
    "ServiceEntry/*:resolution=DNS_ROUND_ROBIN": "the host has one address",
    "ServiceEntry/api:resolution=NONE": "the sidecar calls the address that the caller found, which is the host's",
    "VirtualService/api:http[0].route[0].destination*": "the fault comes before the call",
    "ServiceEntry/partner:resolution=DNS": "pods have addresses, of which no name is looked up",
    "ServiceEntry/api:resolution:removed": "the sidecar calls the address that the caller found, which is the host's",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("hosts-outside"),
    pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED),
]

BROKEN = answered(503, flags="FI", details="fault_filter_abort", within=20)
WITH_KEY = received(host="api.example.com:8080", path="/items", headers={"x-api-key": "secret"}, within=20)
ITEMS = GET("http://api.example.com:8080/items")


def test_rules_count(mesh):
    """A VirtualService for a host outside changes requests on their way out."""
    mesh.apply("test_outside.yaml")
    mesh.workload("client").expect(ITEMS, WITH_KEY & answered(200, within=20))


def test_fault(mesh):
    """Faults are injected for calls to a host outside, which never sees them."""
    mesh.apply("test_outside.yaml")
    mesh.workload("client").expect(GET("http://api.example.com:8080/broken/a"), BROKEN)
    mesh.workload("client").expect(GET("http://api.example.com:8080/a/broken"), answered(200, within=20))


def test_timeout(mesh):
    """A rule's timeout ends calls to a host outside that does not answer in time; one that does is not touched."""
    mesh.apply("test_outside.yaml")
    request = GET("http://partner.example.com/")
    mesh.workload("client").expect(request, answered(200, within=20))
    with mesh.workload("shelf-abroad").stalls():
        mesh.workload("client").expect(request, timed_out(0.4, within=20), connections=100)


def test_tls_origination(mesh):
    """A DestinationRule makes the sidecar speak TLS for callers that ask in the clear."""
    mesh.apply("test_outside.yaml")
    request = GET("http://api.example.com/items")
    said = '"tls": {"server_name": "api.example.com"'
    mesh.workload("client").expect(request, answered(200, body=said, within=20))


def test_controls(mesh):
    """Rules that send a fifth otherwise are noticed."""
    mesh.apply("test_outside.yaml")
    mesh.workload("client").control(ITEMS, WITH_KEY)
    mesh.workload("client").control(GET("http://api.example.com:8080/broken/a"), BROKEN)
