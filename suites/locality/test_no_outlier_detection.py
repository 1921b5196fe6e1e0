"""Without outlier detection there is no preference for what is near."""

import pytest

from meshtest import GET, by_body, split

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "VirtualService/shelf:removed": "without it calls go the same way: it is there for the controls",
            "VirtualService/shelf:hosts*": "without it calls go the same way: it is there for the controls",
            "*loadBalancer.simple*": "which instance of a place is asked does not matter",
            "DestinationRule/shelf:removed": "the defaults are what is shown: it is there for the controls",
            "DestinationRule/shelf:host=*": "the defaults are what is shown: it is there for the controls",
            "DestinationRule/shelf:trafficPolicy:removed": "the defaults are what is shown: it is there for the controls",
        }
    ),
]

SHELF = GET("http://shelf:8000/")
PLACE = by_body(r'"podname": "shelf-([a-z]+)-')
ALIKE = split(near=1, far=1, abroad=1, within=15)


def test_all_alike(mesh):
    """All places get as many calls, although locality load balancing is on by default."""
    mesh.apply("test_no_outlier_detection.yaml")
    mesh.workload("client").expect(SHELF, ALIKE, attribute=PLACE)


def test_wrong_places_are_noticed(mesh):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_no_outlier_detection.yaml")
    mesh.workload("client").control(SHELF, ALIKE, attribute=PLACE)
