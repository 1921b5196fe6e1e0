"""Which VirtualService decides a request: hosts with wildcards, and rules that are delegated to another one."""

import pytest

from meshtest import GET, answered, received, split

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED)]

V1 = split(v1=100, v2=0, within=20, zero_within=20)
V2 = split(v1=0, v2=100, within=20, zero_within=20)
SHELF = answered(200, body='"workload": "shelf-', within=20)


def test_the_most_specific_host_wins(mesh, ingress):
    """Of several hosts that fit, the longest decides, and an exact one before any wildcard; the order of resources does not matter."""
    mesh.apply("test_hosts.yaml")
    ingress.expect(GET("http://any.example.com/"), SHELF)
    ingress.expect(GET("http://a.b.example.com/"), SHELF)
    ingress.expect(GET("http://any.shop.example.com/"), V1)
    ingress.expect(GET("http://cart.shop.example.com/"), V2)


def test_a_wildcard_is_no_bare_domain(mesh, ingress):
    """`*.shop.example.com` is every host below, and not shop.example.com itself."""
    mesh.apply("test_hosts.yaml")
    ingress.expect(GET("http://a.b.shop.example.com/"), V1)
    ingress.expect(GET("http://shop.example.com/"), SHELF)


def test_the_gateway_must_have_the_host(mesh, ingress):
    """A VirtualService for every host takes only those that its Gateway serves; others get 404 NR route_not_found."""
    mesh.apply("test_hosts.yaml")
    ingress.expect(
        GET("/", headers={"host": "example.org"}), answered(404, flags="NR", details="route_not_found", within=20)
    )


def test_delegates(mesh, ingress):
    """A rule can hand its requests to another VirtualService, whose rules narrow it; what that one does not take goes on."""
    mesh.apply("test_hosts.yaml")
    ingress.expect(GET("http://team.example.com/team/new/a"), V2 & received(path="/team/new/a", within=20))
    ingress.expect(GET("http://team.example.com/team/old"), SHELF)
    ingress.expect(GET("http://team.example.com/"), V1)


def test_controls(mesh, ingress):
    """Rules that send a fifth elsewhere, or answer themselves, are noticed."""
    mesh.apply("test_hosts.yaml")
    ingress.control(GET("http://cart.shop.example.com/"), V2)
    ingress.control(GET("http://any.example.com/"), SHELF)
