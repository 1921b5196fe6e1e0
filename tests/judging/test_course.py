"""How evidence grows, as a plot shows it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshtest.judging.course import POINTS
from meshtest.judging.split_test import SplitTest
from meshtest.judging.verdict import Verdict


def course_of(test: SplitTest) -> Any:
    """What the evidence says of the course."""
    return test.judgement().evidence["course"]


@given(
    seed=st.randoms(use_true_random=False),
    share=st.sampled_from([0.05, 0.2, 0.25, 0.5]),
    weights=st.sampled_from([(80, 20), (95, 5)]),
)
def test_the_end_of_the_course_is_the_verdict(seed: Any, share: float, weights: tuple[int, int]) -> None:
    """A boundary is reached at the request that decided, not before, and it is the verdict's."""
    test = SplitTest({"v1": weights[0], "v2": weights[1]}, within=10)
    while test.verdict is None:
        test.observe_many(["v2" if seed.random() < share else "v1" for _ in range(100)])
    course = course_of(test)
    assert course["requests"][-1] == test.requests
    assert course["requests"] == sorted(set(course["requests"]))
    holds, violated = (
        course["holds"][-1] >= course["holds_at"] - 0.01,
        course["against"][-1] >= course["violated_at"] - 0.01,
    )
    assert all(each < course["holds_at"] for each in course["holds"][:-1])
    if test.requests < test.forecast().cap:
        assert holds == (test.verdict is Verdict.HOLDS)
        assert violated == (test.verdict is Verdict.VIOLATED)


def test_it_is_thin() -> None:
    """However many requests: no more points than a plot shows, and plain data."""
    test = SplitTest({"v1": 50, "v2": 50}, within=2)
    test.observe_many(["v1", "v2"] * 20_000)
    course = json.loads(json.dumps(course_of(test)))
    assert len(course["requests"]) == len(course["against"]) == len(course["holds"]) == POINTS
    assert len(json.dumps(course)) < 4000


def test_where_nothing_is_weighed() -> None:
    """Before the first request, and where one arm gets everything, there is none."""
    assert course_of(SplitTest({"v1": 80, "v2": 20})) is None
    every = SplitTest({"v1": 100})
    every.observe_many(["v1"] * 1000)
    assert every.verdict is Verdict.HOLDS
    assert course_of(every) is None
