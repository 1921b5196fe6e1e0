"""Errors of any kind: `consecutive5xxErrors`."""

import pytest

from meshtest import GET, ejects

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*outlierDetection.interval*": "longer than the test takes, or not there: errors in a row eject at once",
    "*outlierDetection.baseEjectionTime*": "longer than the test takes",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("statistics"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
EJECTED = ejects(3, on=500)


def test_the_only_instance(mesh, ingress):
    """The only instance is ejected after exactly three errors without a success between them; then requests are answered 503 UH."""
    mesh.apply("test_5xx.yaml")
    ingress.expect(ECHO, EJECTED)


def test_wrong_thresholds_are_noticed(mesh, ingress):
    """A detector that ejects an error sooner or later is called VIOLATED."""
    mesh.apply("test_5xx.yaml")
    ingress.control(ECHO, EJECTED)
