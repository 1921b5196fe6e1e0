"""Requests under way: `http2MaxRequests`, which counts for HTTP/1.1 too."""

import re

import pytest

from meshtest import GET, answered, trips

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("exact-limits", "statistics"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
LIMIT = trips(requests=3)


def test_requests(mesh, ingress):
    """Three requests at once pass, each further one is answered 503 UO at once, and none waits."""
    mesh.apply("test_requests.yaml")
    ingress.expect(ECHO, LIMIT)
    ingress.expect(ECHO, answered(200, body=re.compile("echo-v2"), within=10), connections=1)


def test_wrong_limit_is_noticed(mesh, ingress):
    """A limit that is one lower or higher is called VIOLATED."""
    mesh.apply("test_requests.yaml")
    ingress.control(ECHO, LIMIT)
