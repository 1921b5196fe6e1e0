"""Shares of the calls go to places, whatever is near."""

import pytest

from meshtest import GET, by_body, split

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "VirtualService/shelf:removed": "without it calls go the same way: it is there for the controls",
            "VirtualService/shelf:hosts*": "without it calls go the same way: it is there for the controls",
            "*loadBalancer.simple*": "which instance of a place is asked does not matter",
        }
    ),
]

SHELF = GET("http://shelf:8000/")
PLACE = by_body(r'"podname": "shelf-([a-z]+)-')
SHARES = split(near=70, far=20, abroad=10, within=10)


def test_shares(mesh):
    """Each zone gets the share that is configured for callers from this zone."""
    mesh.apply("test_distribute.yaml")
    mesh.workload("client").expect(SHELF, SHARES, attribute=PLACE)


def test_wrong_places_are_noticed(mesh):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_distribute.yaml")
    mesh.workload("client").control(SHELF, SHARES, attribute=PLACE)
