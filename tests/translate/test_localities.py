"""Which endpoints a proxy prefers, by where both are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.topology.endpoint import Endpoint, Locality, augmented, locality
from meshtest.translate.locality import Group, effective, grouped, preferred, weighted

HERE = locality("r1/z1/s1")
PLACES = [locality(each) for each in ("r1/z1/s1", "r1/z1/s2", "r1/z2", "r2/z1", "r3", "")]


def endpoint(number: int, where: Locality, weight: int = 1, **labels: str) -> Endpoint:
    """An endpoint."""
    return Endpoint(f"10.0.0.{number}", 80, augmented(labels, where), where, weight)


ALL = [endpoint(number, where) for number, where in enumerate(PLACES)]


def priorities(setting: dict[str, Any] | None, fails_over: bool = True) -> dict[str, int]:
    """The priority of each locality."""
    found = preferred(grouped(ALL), setting, HERE, augmented({}, HERE), fails_over)
    return {
        "/".join(filter(None, (each.locality.region, each.locality.zone, each.locality.sub_zone))): each.priority
        for each in found
    }


def test_near_comes_first() -> None:
    """The same subzone, the same zone, the same region, then the others; without gaps."""
    assert priorities({}) == {"r1/z1/s1": 0, "r1/z1/s2": 1, "r1/z2": 2, "r2/z1": 3, "r3": 3, "": 3}
    assert set(priorities({}, fails_over=False).values()) == {0}
    assert set(priorities(None).values()) == {0}


def test_failover_regions() -> None:
    """Of other regions that to fail over to comes before the rest, if the entry is for this region."""
    assert priorities({"failover": [{"from": "r1", "to": "r3"}]})["r3"] == 3
    assert priorities({"failover": [{"from": "r1", "to": "r3"}]})["r2/z1"] == 4
    assert priorities({"failover": [{"from": "r9", "to": "r3"}]})["r2/z1"] == 3


def test_failover_by_labels() -> None:
    """The more labels from the first on are alike, the sooner; a value may be given. A locality comes in parts."""
    near, far, other = endpoint(1, HERE, v="1"), endpoint(2, HERE, v="2"), endpoint(3, PLACES[3], v="1")
    labels = augmented({"v": "1"}, HERE)
    setting = {"failoverPriority": ["topology.kubernetes.io/region", "v"]}
    found = preferred(grouped([near, far, other]), setting, HERE, labels, True)
    assert {each.address: group.priority for group in found for each in group.endpoints} == {
        near.address: 0,
        far.address: 1,
        other.address: 2,
    }
    given_value = preferred(grouped([near, far]), {"failoverPriority": ["v=2"]}, HERE, labels, True)
    assert [(group.endpoints[0].address, group.priority) for group in given_value] == [("10.0.0.2", 0), ("10.0.0.1", 1)]


def test_distribution() -> None:
    """Shares go to the localities that are named; several behind one name share its weight by their own; others get none."""
    some = [endpoint(1, PLACES[0], 3), endpoint(2, PLACES[1], 1), endpoint(3, PLACES[3]), endpoint(4, PLACES[4])]
    setting = {"distribute": [{"from": "r1/*", "to": {"r1/z1/*": 70, "r2/*": 30}}]}
    found = preferred(grouped(some), setting, HERE, {}, False)
    assert [(each.locality, each.weight) for each in found] == [(PLACES[0], 53), (PLACES[1], 18), (PLACES[3], 30)]
    elsewhere = {"distribute": [{"from": "r9/*", "to": {"r2/*": 100}}]}
    assert preferred(grouped(some), elsewhere, HERE, {}, False) == grouped(some)


@pytest.mark.parametrize(
    ("setting", "fails_over", "wanted"),
    [
        ({}, True, False),
        (None, True, False),
        ({"failover": [{"from": "a", "to": "b"}]}, True, True),
        ({"failover": [{"from": "a", "to": "b"}]}, False, False),
        ({"failoverPriority": ["v"]}, True, True),
        ({"distribute": [{"from": "a", "to": {"b": 100}}]}, False, True),
    ],
)
def test_weighted(setting: dict[str, Any] | None, fails_over: bool, wanted: bool) -> None:
    """Localities are weighed where weights or an order of their own are given."""
    assert weighted(setting, fails_over) is wanted


def test_switched_off() -> None:
    """The rule's own setting counts, else the mesh's, which is on."""
    assert effective({"localityLbSetting": {"enabled": False}}) is None
    assert effective({}) == {}
    assert effective({"localityLbSetting": {"enabled": True, "failover": []}}) is not None


LOCALITIES = st.builds(
    Locality, st.sampled_from(["", "r1", "r2"]), st.sampled_from(["", "z1"]), st.sampled_from(["", "s"])
)
SETTINGS = st.sampled_from(
    [
        None,
        {},
        {"failover": [{"from": "r1", "to": "r2"}]},
        {"failoverPriority": ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]},
        {"failoverPriority": ["topology.istio.io/network", "v"], "failover": [{"from": "r1", "to": "r2"}]},
    ]
)


@given(st.lists(st.tuples(LOCALITIES, st.integers(1, 9)), max_size=8), SETTINGS, LOCALITIES, st.booleans())
def test_nothing_is_lost(places: list[tuple[Locality, int]], setting: Any, here: Locality, fails_over: bool) -> None:
    """Without shares each endpoint stands in one group, weights are sums, priorities have no gaps."""
    endpoints = [endpoint(number, where, weight) for number, (where, weight) in enumerate(places)]
    found: list[Group] = preferred(grouped(endpoints), setting, here, augmented({}, here), fails_over)
    assert sorted(each.address for group in found for each in group.endpoints) == sorted(
        each.address for each in endpoints
    )
    assert all(group.weight == sum(each.weight for each in group.endpoints) for group in found)
    assert {group.priority for group in found} == set(range(len({group.priority for group in found})))
