"""Readiness: of proxies, on port 15021, and of instances, which decides who is in the endpoints."""

import re

import pytest

from meshtest import GET, answered

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(skip=EXCUSED)]

ECHO = GET("http://echo.example.com/")
NONE = answered(503, flags="UH", details="no_healthy_upstream", within=5)


def test_proxies_are_ready(mesh):
    """The gateway and each sidecar answer 200 at /healthz/ready of port 15021."""
    mesh.apply("test_readiness.yaml")
    assert set(mesh.readiness().values()) == {200}
    assert list(mesh.readiness("echo-v1").values()) == [200] * 3


def test_an_unready_instance(mesh, ingress):
    """An instance that is not ready gets no requests, the others get all; ready again, it gets its share."""
    mesh.apply("test_readiness.yaml")
    first, second, third = mesh.workload("echo-v1").instances
    (fourth,) = mesh.workload("echo-v2").instances
    others = answered(200, body=re.compile(f"{second}|{third}|{fourth}"), within=5)
    with first.unready():
        ingress.expect(ECHO, others)
        ingress.control(ECHO, others)
    mark = first.seen()
    ingress.measure(ECHO, 100, connections=1)  # none comes to one of four by a chance of (3/4)^100 < 1e-12
    assert (first.seen() - mark).requests


def test_nobody_is_ready(mesh, ingress):
    """Without a ready instance requests are answered 503 UH at once."""
    mesh.apply("test_readiness.yaml")
    with mesh.workload("echo-v1").unready(), mesh.workload("echo-v2").unready():
        ingress.expect(ECHO, NONE)


def test_wrong_answers_are_noticed(mesh, ingress):
    """A mesh that answers otherwise is called VIOLATED."""
    mesh.apply("test_readiness.yaml")
    with mesh.workload("echo-v1").unready(), mesh.workload("echo-v2").unready():
        ingress.control(ECHO, NONE)
