"""A ring hash of a header keeps users with an instance, also when another one goes."""

import pytest

from meshtest import GET, sticky

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "Gateway/*:selector:removed": "without a selector all gateways serve, this one too",
            "*ringHash*": "1024 is the default, and a point more or less is nothing",
        }
    ),
]

ECHO = GET("http://town.example.com/")
STICKY = sticky("echo-v1", header="x-user", leaves=True)


def test_users_stay(mesh, ingress):
    """A user stays with an instance; when another one goes few users move, and all come back with it."""
    mesh.apply("test_ring_hash.yaml")
    ingress.expect(ECHO, STICKY)


def test_other_ways_are_noticed(mesh, ingress):
    """Requests in turn, or by another key, are told from it."""
    mesh.apply("test_ring_hash.yaml")
    ingress.control(ECHO, STICKY)
