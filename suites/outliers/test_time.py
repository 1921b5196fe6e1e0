"""How long an ejection lasts: `baseEjectionTime`, `interval`."""

import pytest

from meshtest import GET, ejected_for

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*outlierDetection.interval=*": "it only says by how much an ejection may be longer",
    "*maxEjectionPercent=90": "of four instances 90 % are three, and one is out at a time",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("statistics", "prompt-ejections"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
TIME = ejected_for(1.05, interval=0.3)


def test_return(mesh, ingress):
    """An ejected instance returns after the base time, or up to an interval later; one that errs again at once after twice that time."""
    mesh.apply("test_time.yaml")
    ingress.expect(ECHO, TIME)


def test_wrong_times_are_noticed(mesh, ingress):
    """A base time that is off by more than an interval can hide is called VIOLATED."""
    mesh.apply("test_time.yaml")
    ingress.control(ECHO, TIME)
