"""What must hold for any weights and any sequence of answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.judging.mixture import Alternative
from meshtest.judging.split_test import SplitTest
from meshtest.judging.verdict import Verdict

ARMS = ("a", "b", "c", "d")
SETTINGS = (
    {"within": 20, "alpha": 0.05, "beta": 0.05, "zero_within": 10},
    {"within": 30, "alpha": 1e-3, "beta": 1e-2, "zero_within": 5},
    {"within": 25, "alpha": 1e-3, "beta": 1e-2, "max_requests": 40},
    {"within": 60, "alpha": 0.2, "beta": 0.2},
    {"within": 15, "alpha": 1e-6, "beta": 1e-3, "slack": 1},
)

weights = st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any)
arguments = st.sampled_from(SETTINGS)


@st.composite
def answers(draw: st.DrawFn) -> list[str | None]:
    """Answers with any bias or none, one unconfigured among them now and then; ``only`` fits them to a split."""
    length = draw(st.integers(0, 600))
    bias = draw(st.one_of(st.just([0] * 4), st.lists(st.integers(0, 5), min_size=4, max_size=4)))
    random = draw(st.randoms(use_true_random=False))
    sequence: list[str | None] = [*random.choices([*ARMS, "as configured"], weights=[*bias, 6], k=length)]
    if length and draw(st.integers(0, 5)) == 0:
        sequence[random.randrange(length)] = None
    return sequence


def configured(shares: Sequence[int]) -> dict[str, int]:
    return dict(zip(ARMS, shares, strict=False))


def only(sequence: list[str | None], shares: Sequence[int]) -> list[str | None]:
    """The answers for this split: most strays left out, lest every test ends with the first, and the rest as
    configured."""
    positive = {arm: weight for arm, weight in configured(shares).items() if weight}
    random = Random(len(sequence))
    drawn = random.choices([*positive], weights=[*positive.values()], k=len(sequence))
    kept = [right if arm == "as configured" else arm for arm, right in zip(sequence, drawn, strict=True)]
    return [arm for i, arm in enumerate(kept) if arm in positive or (i % 197 == 13)]


@settings(max_examples=150, deadline=None)
@given(weights, arguments, answers(), st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_chunks_do_not_matter(
    shares: list[int], settings: dict[str, float], sequence: list[str | None], sizes: list[int]
) -> None:
    """One by one, all at once or in any batches: the same verdict at the same request with the same counts."""
    sequence = only(sequence, shares)
    single, whole, batched = (SplitTest(configured(shares), **settings) for _ in range(3))  # type: ignore[arg-type]
    for arm in sequence:
        single.observe(arm)
    whole.observe_many(iter(sequence))
    start = 0
    while start < len(sequence):
        size = sizes[start % len(sizes)]
        batched.observe_many(sequence[start : start + size])
        start += size
    for test in (whole, batched):
        assert (test.verdict, test.requests, test.counts) == (single.verdict, single.requests, single.counts)
        assert test.judgement().reason == single.judgement().reason


@settings(max_examples=80, deadline=None)
@given(weights, arguments, answers(), st.permutations(ARMS))
def test_order_and_names_of_arms_do_not_matter(
    shares: list[int], settings: dict[str, float], sequence: list[str | None], order: list[str]
) -> None:
    """Writing the arms in another order, or swapping names together with answers, changes nothing."""
    sequence = only(sequence, shares)
    written = configured(shares)
    renamed = dict(zip(ARMS, order, strict=True))
    test = SplitTest(written, **settings)  # type: ignore[arg-type]
    reordered = SplitTest({arm: written[arm] for arm in order if arm in written}, **settings)  # type: ignore[arg-type]
    swapped = SplitTest({renamed[arm]: weight for arm, weight in written.items()}, **settings)  # type: ignore[arg-type]
    test.observe_many(sequence)
    reordered.observe_many(sequence)
    swapped.observe_many(None if arm is None else renamed[arm] for arm in sequence)
    assert (reordered.verdict, reordered.requests) == (test.verdict, test.requests)
    assert (swapped.verdict, swapped.requests) == (test.verdict, test.requests)


@settings(max_examples=150, deadline=None)
@given(weights, arguments, answers())
def test_certified_ranges_agree_with_the_verdict(
    shares: list[int], settings: dict[str, float], sequence: list[str | None]
) -> None:
    """HOLDS if and only if every arm's certified range lies within its margins (and no answer went astray)."""
    test = SplitTest(configured(shares), **settings)  # type: ignore[arg-type]
    test.observe_many(only(sequence, shares))
    evidence = test.judgement().evidence
    inside = []
    for row in evidence["arms"]:  # type: ignore[attr-defined]
        arm = next((arm for arm in test.parameters.arms if arm.name == row["arm"]), None)
        if arm is None:
            inside.append(False)
            continue
        low, high = row["certified"]
        assert 0 <= low <= high <= 1
        dead = arm.share > 0 and arm.lower == 0
        above = low > 0 if dead else low >= float(arm.lower) - 1e-12
        inside.append(above and (arm.upper >= 1 or high <= float(arm.upper) + 1e-12))
    assert (test.verdict is Verdict.HOLDS) == all(inside)


@settings(max_examples=80, deadline=None)
@given(weights, arguments, answers())
def test_every_test_ends_by_its_cap(shares: list[int], settings: dict[str, float], sequence: list[str | None]) -> None:
    """There is always a verdict at the cap, UNDECIDED only at a limit below it; progress and batches stay in range."""
    test = SplitTest(configured(shares), **settings)  # type: ignore[arg-type]
    forecast = test.forecast()
    stop = min(forecast.cap, forecast.max_requests or forecast.cap)
    usable = [arm for arm in only(sequence, shares) if arm in configured(shares)] or [ARMS[0]]
    while test.verdict is None:
        assert 0 <= test.progress <= 1
        batch = test.suggested_batch()
        assert 1 <= batch <= min(500, stop - test.requests)
        test.observe_many((usable * (batch // len(usable) + 1))[:batch])
    assert test.requests <= stop
    assert test.verdict is not Verdict.UNDECIDED or not forecast.fits


@settings(max_examples=100, deadline=None)
@given(weights, arguments, answers())
def test_screening_never_changes_the_violated_side(
    shares: list[int], settings: dict[str, float], sequence: list[str | None]
) -> None:
    """The vectorised search for the first excess finds what trying every request finds, and M is the sum that it
    should be."""
    test = SplitTest(configured(shares), **settings).boundaries  # type: ignore[arg-type]
    names = [arm.name for arm in test.parameters.arms]
    codes = np.array([names.index(arm) for arm in only(sequence, shares) if arm in names], np.int32)
    hits = np.cumsum(codes == np.arange(len(names))[:, None], axis=1).astype(float)
    n = np.arange(1.0, codes.size + 1)
    tried = (i for i in range(codes.size) if test.mixture.exceeds(hits[:, i].tolist(), n[i]))
    assert test.mixture.first_excess(hits, n) == next(tried, None)
    total = sum(c.weight for c in test.mixture.alternatives)
    for i in range(0, codes.size, 37):
        exact = sum(
            Fraction(c.weight / total) * likelihood_ratio(c, int(hits[c.arm, i]), i + 1)
            for c in test.mixture.alternatives
        )
        if test.mixture.alternatives and exact:
            assert float(test.mixture.log_m(hits, n)[i]) == pytest.approx(log_of(exact), abs=1e-6)


def likelihood_ratio(alternative: Alternative, hits: int, n: int) -> Fraction:
    """In exact arithmetic."""
    q, null = alternative.q, alternative.null
    return (q / null) ** hits * ((1 - q) / (1 - null)) ** (n - hits)


def log_of(number: Fraction) -> float:
    return math.log(number.numerator) - math.log(number.denominator)
