"""RANDOM asks each instance as often, one request without regard to the other."""

import pytest

from meshtest import GET, balanced

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "Gateway/*:selector:removed": "without a selector all gateways serve, this one too",
        }
    ),
]

ECHO = GET("http://town.example.com/")
BALANCED = balanced("RANDOM", "echo-v1", within=10)


def test_balanced(mesh, ingress):
    """An instance that is busy gets its third too, and the same instance comes again in a third of the cases."""
    mesh.apply("test_random.yaml")
    ingress.expect(ECHO, BALANCED)


def test_other_ways_are_noticed(mesh, ingress):
    """ROUND_ROBIN and LEAST_REQUEST are told from it."""
    mesh.apply("test_random.yaml")
    ingress.control(ECHO, BALANCED)
