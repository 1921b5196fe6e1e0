"""Restarts under constant load."""

import pytest

from meshtest import GET, VIOLATED, lossless

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "VirtualService/echo:http[0].retries*": "they are off so that they can hide no loss; a mesh that loses none needs none",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(skip=EXCUSED)]

ECHO = GET("http://echo.example.com/")


def test_rolling_restart(mesh, ingress):
    """A rolling restart, in which each instance leaves the endpoints and finishes its requests before it ends, loses none."""
    mesh.apply("test_restart.yaml")
    echo = mesh.workload("echo-v1")
    ingress.expect(ECHO, lossless(during={"a rolling restart": lambda: echo.restarts(rolling=True)}, connections=8))
    assert all(each.seen().requests for each in echo.instances)


def test_crash(mesh, ingress):
    """An instance that dies in the endpoints loses requests: callers get its sidecar's 503."""
    mesh.apply("test_restart.yaml")
    with ingress.flow(ECHO, connections=8) as flow:
        flow.wait(50)
        with flow.change("a crash"):
            mesh.workload("echo-v1").instance(0).crashes()
        flow.wait(100)
    lost = lossless().judge(flow.sample, flow.changes)
    assert lost.verdict is VIOLATED
    assert "a crash) got 503" in lost.reason


def test_losses_are_noticed(mesh, ingress):
    """A mesh that loses a twentieth of the requests is called VIOLATED."""
    mesh.apply("test_restart.yaml")
    echo = mesh.workload("echo-v1")
    ingress.control(ECHO, lossless(during={"a rolling restart": lambda: echo.restarts(rolling=True)}, connections=8))
