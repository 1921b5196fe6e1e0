"""LEAST_REQUEST, Istio's default, spares instances that have requests under way."""

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
BALANCED = balanced("LEAST_REQUEST", "echo-v1", within=10)


def test_balanced(mesh, ingress):
    """Of three instances a busy one gets a ninth of the requests: when both draws of two find it."""
    mesh.apply("test_least_request.yaml")
    ingress.expect(ECHO, BALANCED)


def test_other_ways_are_noticed(mesh, ingress):
    """ROUND_ROBIN and RANDOM are told from it."""
    mesh.apply("test_least_request.yaml")
    ingress.control(ECHO, BALANCED)
