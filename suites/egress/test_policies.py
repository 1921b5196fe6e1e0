"""What may leave the mesh: only what it knows (REGISTRY_ONLY), or anything (ALLOW_ANY), as a Sidecar says."""

import pytest

from meshtest import GET, answered

NOT_NOTICED = {
    "ServiceEntry/*:ports*.protocol*": "the same requests, by another version of HTTP, or by one that is found out",
    "ServiceEntry/*:resolution=DNS_ROUND_ROBIN": "the host has one address",
    "ServiceEntry/known:resolution:removed": "the sidecar calls the address that the caller found, which is the host's",
    "ServiceEntry/known:resolution=NONE": "the sidecar calls the address that the caller found, which is the host's",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("hosts-outside"),
    pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED),
]

KNOWN, UNKNOWN = GET("http://known.example.com/a"), GET("http://unknown.example.com/a")
RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: known}
spec: {hosts: [known.example.com], http: [{route: [{destination: {host: known.example.com}}]}]}
"""
BLOCKED = answered(502, flags="", details="direct_response", within=20)


def cluster(mesh, workload: str, what) -> str:
    """The cluster by which the caller's sidecar sent a request on."""
    return mesh.access_log(mesh.workload(workload).get(what.target))[0].upstream_cluster


def test_registry_only(mesh):
    """With REGISTRY_ONLY the sidecar answers 502 for a host that the mesh does not know, and lets through what a ServiceEntry names."""
    mesh.apply("test_policies.yaml")
    mesh.workload("client").expect(UNKNOWN, BLOCKED)
    mesh.workload("client").expect(KNOWN, answered(200, details="via_upstream", within=20))
    assert cluster(mesh, "client", KNOWN) == "outbound|80||known.example.com"


def test_allow_any(mesh):
    """With ALLOW_ANY what the Sidecar does not list is called where its address leads to, as bytes that no rule counts for."""
    mesh.apply("test_policies.yaml")
    passed = "cluster.PassthroughCluster*.upstream_cx_total"
    for what in (UNKNOWN, KNOWN):
        with mesh.watching("shelf-near", passed) as change:
            mesh.workload("shelf-near").expect(what, answered(200, within=20))
        assert change[passed] > 0
    assert cluster(mesh, "shelf-near", GET("http://echo:8000/")).startswith("outbound|8000||echo.default")


def test_other_workloads(mesh):
    """A Sidecar counts for the workloads that it selects alone; by default anything may leave the mesh."""
    mesh.apply("test_policies.yaml")
    mesh.workload("shelf-far").expect(UNKNOWN, answered(200, details="via_upstream", within=20))
    assert cluster(mesh, "shelf-far", UNKNOWN) == "PassthroughCluster"
    assert cluster(mesh, "shelf-far", KNOWN) == "outbound|80||known.example.com"


def test_controls(mesh):
    """Answers that are others are noticed: the rule of a host that is known lets a fifth of its requests fail."""
    mesh.apply("test_policies.yaml", RULE)
    mesh.workload("client").control(KNOWN, answered(200, within=20))
