"""What the proxy itself finds wrong, told apart from errors in answers: `splitExternalLocalOriginErrors`."""

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
EJECTED = ejects(1, on="timeout")
SPARED = ejects(None, on=503)


def test_timeouts(mesh, ingress):
    """An instance that lets a request run into the timeout is ejected for it."""
    mesh.apply("test_local_errors.yaml")
    ingress.expect(ECHO, EJECTED)


def test_errors_in_answers(mesh, ingress):
    """Answers with an error do not count as local failures."""
    mesh.apply("test_local_errors.yaml")
    ingress.expect(ECHO, SPARED)


def test_wrong_detectors_are_noticed(mesh, ingress):
    """A detector that ejects for timeouts later or never, or for errors in answers, is called VIOLATED."""
    mesh.apply("test_local_errors.yaml")
    ingress.control(ECHO, EJECTED)
    ingress.control(ECHO, SPARED)
