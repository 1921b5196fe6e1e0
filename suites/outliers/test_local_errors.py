"""What the proxy itself finds wrong, told apart from errors in answers: `splitExternalLocalOriginErrors`."""

import pytest

from meshtest import GET, ejects

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*outlierDetection.interval*": "longer than the test takes, or not there: errors in a row eject at once",
    "*outlierDetection.baseEjectionTime*": "longer than the test takes",
    "VirtualService/echo:http[0].timeout=*": "however long it is, it runs out: suites/timeouts shows when",
    "VirtualService/echo:http[0].match:removed": "with a timeout answers are the same, but on a slow machine",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("statistics"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
HASTY = GET("http://echo.example.com/hasty/1")
EJECTED = ejects(1, on="timeout")
SPARED = ejects(None, on=503)


def test_timeouts(mesh, ingress):
    """An instance that lets a request run into the timeout is ejected for it."""
    mesh.apply("test_local_errors.yaml")
    ingress.expect(HASTY, EJECTED)


def test_errors_in_answers(mesh, ingress):
    """Answers with an error do not count as local failures."""
    mesh.apply("test_local_errors.yaml")
    ingress.expect(ECHO, SPARED)


def test_wrong_detectors_are_noticed(mesh, ingress):
    """A detector that ejects for timeouts later or never, or for errors in answers, is called VIOLATED."""
    mesh.apply("test_local_errors.yaml")
    ingress.control(HASTY, EJECTED)
    ingress.control(ECHO, SPARED)
