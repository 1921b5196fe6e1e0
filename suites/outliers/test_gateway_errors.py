"""Gateway errors (502, 503, 504), and how many instances may be out: `consecutiveGatewayErrors`, `maxEjectionPercent`."""

import pytest

from meshtest import GET, ejects

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*outlierDetection.interval*": "longer than the test takes, or not there: errors in a row eject at once",
    "*outlierDetection.baseEjectionTime*": "longer than the test takes",
    "*maxEjectionPercent=60": "of four instances 60 % are two, as 50 % are",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("statistics"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
EJECTED = ejects(2, on=503, of=4, most=2)
SPARED = ejects(None, on=500, of=4)


def test_half_of_the_instances(mesh, ingress):
    """Each failing instance is ejected after two errors and gets no more requests, until half of them are out; others get all."""
    mesh.apply("test_gateway_errors.yaml")
    ingress.expect(ECHO, EJECTED)


def test_other_errors(mesh, ingress):
    """A 500 is no gateway error: it ejects nobody."""
    mesh.apply("test_gateway_errors.yaml")
    ingress.expect(ECHO, SPARED)


def test_wrong_detectors_are_noticed(mesh, ingress):
    """A detector that ejects an error sooner or later, an instance more or fewer, or for any error, is called VIOLATED."""
    mesh.apply("test_gateway_errors.yaml")
    ingress.control(ECHO, EJECTED)
    ingress.control(ECHO, SPARED)
