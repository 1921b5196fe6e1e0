"""A hash of a cookie keeps sessions with an instance; the proxy begins them."""

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
STICKY = sticky("echo-v1", cookie="session", generated=True, attributes=["Max-Age=60", "Path=/shop", "HttpOnly"])


def test_sessions_begin(mesh, ingress):
    """Who has no cookie is given one, with its path and its time to live, that leads back to the instance that answered."""
    mesh.apply("test_cookie.yaml")
    ingress.expect(ECHO, STICKY)


def test_other_ways_are_noticed(mesh, ingress):
    """Requests in turn, or by another key, are told from it."""
    mesh.apply("test_cookie.yaml")
    ingress.control(ECHO, STICKY)
