"""Connections and the queue for them: `maxConnections` and `http1MaxPendingRequests`."""

import pytest

from meshtest import GET, trips

pytestmark = pytest.mark.mesh_workloads("../town.yaml")

ECHO = GET("http://echo.example.com/")
LIMITS = trips(connections=2, pending=1)


def test_connections_and_pending(mesh, ingress):
    """Two requests at once pass, a third waits, each further one is answered 503 UO at once; as load falls, all pass again."""
    mesh.apply("test_connections.yaml")
    ingress.expect(ECHO, LIMITS)


def test_wrong_limits_are_noticed(mesh, ingress):
    """A pool with one connection or one place in the queue more or less is called VIOLATED."""
    mesh.apply("test_connections.yaml")
    ingress.control(ECHO, LIMITS)
