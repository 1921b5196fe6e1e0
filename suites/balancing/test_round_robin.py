"""ROUND_ROBIN asks the instances in turn."""

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
BALANCED = balanced("ROUND_ROBIN", "echo-v1", within=5)


def test_balanced(mesh, ingress):
    """Any three requests in a row on one connection reach the three instances, whatever these have to do."""
    mesh.apply("test_round_robin.yaml")
    ingress.expect(ECHO, BALANCED)


def test_other_ways_are_noticed(mesh, ingress):
    """RANDOM and LEAST_REQUEST are told from it."""
    mesh.apply("test_round_robin.yaml")
    ingress.control(ECHO, BALANCED)
