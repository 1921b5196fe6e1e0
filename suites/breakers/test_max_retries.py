"""Retries under way: `maxRetries`."""

import re

import pytest

from meshtest import GET, answered, trips

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*retries.attempts=2": "the first retry is answered, so that there is no second",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("exact-limits", "statistics"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
LIMIT = trips(retries=2)


def test_retries(mesh, ingress):
    """Two requests at a time are tried again; of each further one the first answer stands, with the flag UO."""
    mesh.apply("test_max_retries.yaml")
    ingress.expect(ECHO, LIMIT)
    ingress.expect(ECHO, answered(200, body=re.compile("echo-v2"), within=10), connections=1)


def test_wrong_limit_is_noticed(mesh, ingress):
    """A limit that is one lower or higher is called VIOLATED."""
    mesh.apply("test_max_retries.yaml")
    ingress.control(ECHO, LIMIT)
