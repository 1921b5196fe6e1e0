"""A hash of a query parameter keeps users with an instance."""

import pytest

from meshtest import GET, sticky

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "Gateway/*:selector:removed": "without a selector all gateways serve, this one too",
        }
    ),
]

ECHO = GET("http://town.example.com/")
STICKY = sticky("echo-v1", query="user")


def test_users_stay(mesh, ingress):
    """A user named in the query stays with an instance, and requests that name nobody go to all."""
    mesh.apply("test_query.yaml")
    ingress.expect(ECHO, STICKY)


def test_other_ways_are_noticed(mesh, ingress):
    """Requests in turn, or by another key, are told from it."""
    mesh.apply("test_query.yaml")
    ingress.control(ECHO, STICKY)
