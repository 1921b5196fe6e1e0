"""Where locality load balancing is switched off, places do not matter."""

import pytest

from meshtest import GET, by_body, split

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "DestinationRule/shelf:trafficPolicy:removed": "without outlier detection all are alike too",
            "DestinationRule/shelf:removed": "without outlier detection all are alike too",
            "DestinationRule/shelf:host=*": "without outlier detection all are alike too",
            "VirtualService/shelf:removed": "without it calls go the same way: it is there for the controls",
            "VirtualService/shelf:hosts*": "without it calls go the same way: it is there for the controls",
            "*loadBalancer.simple*": "which instance of a place is asked does not matter",
            "*maxEjectionPercent*": "none is ejected here",
            "*outlierDetection:removed": "it would only matter if places did",
        }
    ),
]

SHELF = GET("http://shelf:8000/")
PLACE = by_body(r'"podname": "shelf-([a-z]+)-')
ALIKE = split(near=1, far=1, abroad=1, within=15)


def test_all_alike(mesh):
    """All places get as many calls, although there is outlier detection."""
    mesh.apply("test_disabled.yaml")
    mesh.workload("client").expect(SHELF, ALIKE, attribute=PLACE)


def test_wrong_places_are_noticed(mesh):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_disabled.yaml")
    mesh.workload("client").control(SHELF, ALIKE, attribute=PLACE)
