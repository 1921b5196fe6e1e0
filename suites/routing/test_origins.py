"""Which rule decides a request by where it comes in: the port and scheme, the gateway, and who calls."""

import pytest

from meshtest import GET, Split, split

NOT_NOTICED = {
    "Gateway/*:selector:removed": "the egress gateway listens then, too, where nobody comes in",
    "Gateway/edge:servers[1].tls.mode=OPTIONAL_MUTUAL": "the clients here have no certificate",
    "Gateway/edge:servers[1].tls.credentialName=*": "another name of the certificate",
    "VirtualService/callers:http[1].route[0].destination.port:removed": "without it the port counts that a call is to: 8000, too",
    "VirtualService/callers:http[2].route[0].destination.port:removed": "without it the port counts that a call is to: 8000, too",
    "VirtualService/scheme:http[0].match[0].scheme=prefix": "there are two schemes",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED)]


def goes_to(version: str) -> Split:
    """All to one of the two versions: a rule decides as a whole, so that few requests are enough."""
    other = {"v1": "v2", "v2": "v1"}[version]
    return split({version: 100, other: 0}, within=20, zero_within=20)


def versions(ingress, url: str) -> set[str]:
    """Which versions answer with TLS; if a rule sent to all, 20 would not go to v2 alone."""
    with ingress.client(url) as client:
        return {client.get("/").json()["version"] for _ in range(20)}


def test_port(mesh, ingress):
    """`port` is that of the gateway's server that the request came to."""
    mesh.apply("test_origins.yaml")
    ingress.expect(GET("http://ports.example.com/"), goes_to("v1"))
    assert versions(ingress, "https://ports.example.com/") == {"v2"}


def test_scheme(mesh, ingress):
    """`scheme` tells requests that came with TLS from those in the clear."""
    mesh.apply("test_origins.yaml")
    ingress.expect(GET("http://scheme.example.com/"), goes_to("v1"))
    assert versions(ingress, "https://scheme.example.com/") == {"v2"}


def test_gateways(mesh, ingress):
    """`gateways` of a match tells what came through a gateway from calls within the mesh."""
    mesh.apply("test_origins.yaml")
    ingress.expect(GET("http://echo.default.svc.cluster.local/labelled"), goes_to("v2"))
    ingress.expect(GET("http://echo.default.svc.cluster.local/"), goes_to("v2"))
    mesh.workload("client").expect(GET("http://echo:8000/"), goes_to("v1"))


def test_source_labels(mesh):
    """`sourceLabels` takes calls of those workloads alone that have these labels."""
    mesh.apply("test_origins.yaml")
    mesh.workload("client").expect(GET("http://echo:8000/labelled"), goes_to("v2"))
    mesh.workload("client").expect(GET("http://echo:8000/labelled/a"), goes_to("v2"))
    mesh.workload("client").expect(GET("http://echo:8000/a/labelled"), goes_to("v1"))
    mesh.workload("shelf-near").expect(GET("http://echo:8000/labelled"), goes_to("v1"))


def test_controls(mesh):
    """Rules that send a fifth elsewhere are noticed."""
    mesh.apply("test_origins.yaml")
    mesh.workload("client").control(GET("http://echo:8000/labelled"), goes_to("v2"))
