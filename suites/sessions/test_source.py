"""A hash of the source's address keeps a client with an instance."""

import pytest

from meshtest import GET, sticky

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "*subset:removed": "one client has one instance, which is of v1 in three cases of four",
            "*labels:removed": "one client has one instance, which is of v1 in three cases of four",
            "Gateway/*:selector:removed": "without a selector all gateways serve, this one too",
        }
    ),
]

ECHO = GET("http://town.example.com/")
STICKY = sticky("echo-v1", source=True)


def test_client_stays(mesh, ingress):
    """All requests of a client go to one instance."""
    mesh.apply("test_source.yaml")
    ingress.expect(ECHO, STICKY)


def test_other_ways_are_noticed(mesh, ingress):
    """Requests in turn, or by another key, are told from it."""
    mesh.apply("test_source.yaml")
    ingress.control(ECHO, STICKY)
