"""Labels say which instances are preferred, instead of places."""

import pytest

from meshtest import GET, by_body, split

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "VirtualService/shelf:removed": "without it calls go the same way: it is there for the controls",
            "VirtualService/shelf:hosts*": "without it calls go the same way: it is there for the controls",
            "*loadBalancer.simple*": "which instance of a place is asked does not matter",
            "*maxEjectionPercent*": "none is ejected here",
        }
    ),
]

SHELF = GET("http://shelf:8000/")
PLACE = by_body(r'"podname": "shelf-([a-z]+)-')
ABROAD = split(near=0, far=0, abroad=100, within=3, zero_within=3)
OTHERS = split(near=50, far=50, abroad=0, within=15, zero_within=3)


def test_label_first(mesh):
    """All calls go to the instances with the label, however far; without one to all others alike."""
    mesh.apply("test_failover_priority.yaml")
    client = mesh.workload("client")
    client.expect(SHELF, ABROAD, attribute=PLACE)
    with mesh.workload("shelf-abroad").unready():
        client.expect(SHELF, OTHERS, attribute=PLACE)
    client.expect(SHELF, ABROAD, attribute=PLACE)


def test_wrong_places_are_noticed(mesh):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_failover_priority.yaml")
    mesh.workload("client").control(SHELF, ABROAD, attribute=PLACE)
