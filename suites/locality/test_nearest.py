"""With outlier detection a call stays in its zone, and fails over to the next nearest."""

import pytest

from meshtest import GET, by_body, split

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={
            "VirtualService/shelf:removed": "without it calls go the same way: it is there for the controls",
            "VirtualService/shelf:hosts*": "without it calls go the same way: it is there for the controls",
            "*loadBalancer.simple*": "which instance of a place is asked does not matter",
            "DestinationRule/shelf:trafficPolicy.loadBalancer:removed": "which instance of a place is asked does not matter",
            "*baseEjectionTime*": "half a minute is as long as this takes",
            "*maxEjectionPercent=*": "of three hosts 90 % are no fewer than one",
        }
    ),
]

SHELF = GET("http://shelf:8000/")
PLACE = by_body(r'"podname": "shelf-([a-z]+)-')
NEAR = split(near=100, far=0, abroad=0, within=3, zero_within=3)
FAR = split(near=0, far=100, abroad=0, within=3, zero_within=3)
ABROAD = split(near=0, far=0, abroad=100, within=3, zero_within=3)


def test_own_zone(mesh):
    """All calls stay in the caller's own zone."""
    mesh.apply("test_nearest.yaml")
    mesh.workload("client").expect(SHELF, NEAR, attribute=PLACE)


def test_next_nearest(mesh):
    """Without an instance in the zone calls go to another zone of the region, without one there to another region, and come back."""
    mesh.apply("test_nearest.yaml")
    client = mesh.workload("client")
    with mesh.workload("shelf-near").unready():
        client.expect(SHELF, FAR, attribute=PLACE)
        with mesh.workload("shelf-far").unready():
            client.expect(SHELF, ABROAD, attribute=PLACE)
    client.expect(SHELF, NEAR, attribute=PLACE)


def test_ejected(mesh):
    """An instance that is ejected is as good as none: calls go to another zone of the region."""
    mesh.apply("test_nearest.yaml")
    client, near = mesh.workload("client"), mesh.workload("shelf-near")
    with near.fails(500, count=1):
        assert client.get("http://shelf:8000/").status_code == 500
    ejected = [host.instance for host in mesh.hosts("client", "shelf", "") if "failed_outlier_check" in host.flags]
    assert ejected == [near.instance(0).name]
    client.get("http://shelf:8000/")  # what the proxy's worker has been told of the ejection, it knows after this
    client.expect(SHELF, FAR, attribute=PLACE)


def test_wrong_places_are_noticed(mesh):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_nearest.yaml")
    mesh.workload("client").control(SHELF, NEAR, attribute=PLACE)
