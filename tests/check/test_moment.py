"""Spans of time as people read them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.check.moment import moment, span

SECONDS = {"d": 86400, "h": 3600, "min": 60, "s": 1}


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(hours=23, minutes=59, seconds=9), "23 h 59 min"),
        (timedelta(days=3650, hours=1), "3650 d 1 h"),
        (timedelta(days=-1), "1 d"),
        (timedelta(days=1, seconds=5), "1 d"),
    ],
)
def test_spans(length, text):
    """The two largest units, none that is 0."""
    assert span(length) == text


@given(st.integers(0, 10**9))
def test_a_span_is_near_the_truth(seconds):
    """What is left out is less than the smaller of its two units."""
    parts = [
        (int(count), SECONDS[unit]) for count, unit in re.findall(r"(\d+) (\w+)", span(timedelta(seconds=seconds)))
    ]
    rest = seconds - sum(count * unit for count, unit in parts)
    units = list(SECONDS.values())
    assert 0 <= rest < units[min(units.index(parts[0][1]) + 1, 3)]


def test_moments_have_a_zone():
    """As Kubernetes and Envoy write them, also with a fraction."""
    assert (moment("2026-05-04T12:00:01Z") - moment("2026-05-04T12:00:00.500000Z")).total_seconds() == 0.5
