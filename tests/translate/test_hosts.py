"""Host names as Istio compares them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.translate.host import intersection, matches, most_specific, resolved, specificity, within

LABELS = st.lists(st.sampled_from(["a", "b", "com"]), min_size=1, max_size=3).map(".".join)
HOSTS = LABELS | LABELS.map("*.{}".format) | st.just("*")
PATIENT = settings(deadline=None)


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("reviews", "reviews.space.svc.cluster.local"),
        ("reviews.other", "reviews.other"),
        ("*", "*"),
        ("*.com", "*.com"),
        ("*a", "*a.space.svc.cluster.local"),
        ("::1", "::1"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_short_names(host: str, full: str) -> None:
    """Only a name without dots is completed."""
    assert resolved(host, "space") == full


@PATIENT
@given(HOSTS, HOSTS)
def test_within_means_matching(one: str, other: str) -> None:
    """A host within another matches it, both ways round; two within each other are one."""
    assert matches(one, other) == matches(other, one)
    assert within(one, one)
    if within(one, other):
        assert matches(one, other)
        assert not within(other, one) or one == other


@PATIENT
@given(st.lists(HOSTS, max_size=4), st.lists(HOSTS, max_size=4))
def test_intersection(some: list[str], others: list[str]) -> None:
    """What two lists have in common lies within both, stands there once, and is the same whichever comes first."""
    common = intersection(some, others)
    assert len(common) == len(set(common))
    assert set(common) == set(intersection(others, some))
    for host in common:
        assert any(within(host, each) for each in some)
        assert any(within(host, each) for each in others)


@PATIENT
@given(LABELS, st.lists(HOSTS, max_size=6))
def test_most_specific(host: str, candidates: list[str]) -> None:
    """The most specific candidate is the host itself, else the longest wildcard around it."""
    found = most_specific(host, candidates)
    around = [each for each in candidates if within(host, each)]
    assert found == (min(around, key=specificity) if around else None)
    assert host not in candidates or found == host
