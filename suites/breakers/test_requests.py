"""Requests under way: `http2MaxRequests`, which counts for HTTP/1.1 too."""

import pytest

from meshtest import GET, trips

pytestmark = pytest.mark.mesh_workloads("../town.yaml")

ECHO = GET("http://echo.example.com/")
LIMIT = trips(requests=3)


def test_requests(mesh, ingress):
    """Three requests at once pass, each further one is answered 503 UO at once, and none waits."""
    mesh.apply("test_requests.yaml")
    ingress.expect(ECHO, LIMIT)


def test_wrong_limit_is_noticed(mesh, ingress):
    """A limit that is one lower or higher is called VIOLATED."""
    mesh.apply("test_requests.yaml")
    ingress.control(ECHO, LIMIT)
