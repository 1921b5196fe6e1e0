"""Connections and the queue for them: `maxConnections` and `http1MaxPendingRequests`."""

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
LIMITS = trips(connections=2, pending=1)


def test_connections_and_pending(mesh, ingress):
    """Two requests at once pass, a third waits, each further one is answered 503 UO at once; as load falls, all pass again."""
    mesh.apply("test_connections.yaml")
    ingress.expect(ECHO, LIMITS)
    ingress.expect(ECHO, answered(200, body=re.compile("echo-v2"), within=10), connections=1)


def test_wrong_limits_are_noticed(mesh, ingress):
    """A pool with one connection or one place in the queue more or less is called VIOLATED."""
    mesh.apply("test_connections.yaml")
    ingress.control(ECHO, LIMITS)
