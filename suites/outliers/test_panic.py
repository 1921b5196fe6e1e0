"""What happens when too few are left: `minHealthPercent`."""

import pytest

from meshtest import GET, ejects

EXCUSED = {
    "Gateway/edge:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*outlierDetection.interval*": "longer than the test takes, or not there: errors in a row eject at once",
    "*outlierDetection.baseEjectionTime*": "longer than the test takes",
    "*minHealthPercent=30": "of four instances one is below 30 % as it is below 40 %",
    "*minHealthPercent=50": "two of four are not below 50 %, one is",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("statistics"),
    pytest.mark.mesh_mutants(skip=EXCUSED),
]

ECHO = GET("http://echo.example.com/")
EJECTED = ejects(1, on=500, of=4, panic=3)


def test_panic(mesh, ingress):
    """With three of four instances out fewer than 40 % are left, and all get requests again; with two out only the others do."""
    mesh.apply("test_panic.yaml")
    ingress.expect(ECHO, EJECTED)


def test_wrong_thresholds_are_noticed(mesh, ingress):
    """A detector that ejects later or fewer, or a panic with one instance more or fewer out, is called VIOLATED."""
    mesh.apply("test_panic.yaml")
    ingress.control(ECHO, EJECTED)
