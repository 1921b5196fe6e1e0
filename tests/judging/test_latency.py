"""Percentiles and rates: stated error rates, bounds of confidence, what is said, and controls."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from meshtest.judging.expectation import judge
from meshtest.judging.latency import latency, percentile, percentile_bounds
from meshtest.judging.one_sided import AtMost
from meshtest.judging.rate import rate
from meshtest.judging.verdict import Verdict
from tests.judging.answers import Got, Invented

HOLDS, VIOLATED, UNDECIDED = Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED


def took(seconds: float, count: int, version: str = "v1") -> list[Got]:
    """So many answers."""
    return [Got(latency=seconds, version=version)] * count


def test_fast_answers_hold() -> None:
    """Answers below all bounds hold, after as many as it takes to tell; the finding says the percentiles with their bounds."""
    found = judge(Invented(took(0.01, 2000)), latency(p50=0.05, p99=0.2))
    assert (found.verdict, found.observed) == (HOLDS, "p50 10ms (10ms to 10ms); p99 10ms (10ms to ?)")
    assert found.requests == math.ceil(math.log(1e-3) / math.log(0.98 / 0.99))


@pytest.mark.parametrize("share", [0.2, 1])
def test_slow_answers_do_not(share: float) -> None:
    """A mesh in which far more are slower than may be is VIOLATED."""
    drawn = random.Random(1)
    answers = [Got(latency=1.0 if drawn.random() < share else 0.01) for _ in range(3000)]
    found = judge(Invented(answers), latency(p99=0.2))
    assert found.verdict is VIOLATED
    assert found.reason.endswith("took 200ms or longer, and 1 % may")


def test_what_is_slow_but_allowed() -> None:
    """The median may be low though one of three is slow."""
    found = judge(Invented((took(0.01, 2) + took(1, 1)) * 500), latency(p50=0.1))
    assert found.verdict is HOLDS


def test_one_version() -> None:
    """Only answers of the version count."""
    answers = Invented((took(0.01, 1) + took(1, 1, "v2")) * 800)
    assert judge(answers, latency(p99=0.2, version="v1")).verdict is HOLDS
    found = judge(answers, latency(p99=0.2, version="v2"))
    assert (found.verdict, found.reason) == (VIOLATED, "20 of 20 answers of v2 took 200ms or longer, and 1 % may")


def test_too_few() -> None:
    """A small sample does not tell, and says so; nor do many of another version."""
    assert "does not tell" in judge(Invented(took(0.01, 100)), latency(p99=0.2)).reason
    trial = latency(p99=0.2, version="v3", max_requests=200).begin()
    assert trial.take(Invented(took(0.01, 300))) is UNDECIDED
    assert trial.suggested_batch() == 0


def wrong_rate(test: AtMost, share: float, wrong: Verdict) -> float:
    """The exact probability of a verdict within 3,000 observations of a share, by dynamic programming over the count of hits."""
    counts, found = {0: 1.0}, 0.0
    for number in range(1, 3001):
        following: dict[int, float] = {}
        for hits, mass in counts.items():
            for hit, chance in ((1, share), (0, 1 - share)):
                following[hits + hit] = following.get(hits + hit, 0.0) + mass * chance
        counts = {}
        for hits, mass in following.items():
            if mass < 1e-18:
                continue
            again = AtMost(test.most, test.margin, test.alpha, test.beta, number - 1, hits)
            again.observed, again.hits = number - 1, hits
            verdict = again.observe(False) if number - 1 >= hits else None
            if verdict is None:
                counts[hits] = mass
            elif verdict is wrong:
                found += mass
    return found


def test_error_rates() -> None:
    """A share at the limit is hardly ever VIOLATED, and one above it by the margin hardly ever HOLDS: exact probabilities."""
    test = AtMost(0.1, 0.05, alpha=1e-2, beta=1e-2)
    assert 0 < wrong_rate(test, 0.1, VIOLATED) <= 1.05e-2
    assert 0 < wrong_rate(test, 0.15, HOLDS) <= 1e-2


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300), st.floats(1, 99))
def test_bounds_enclose(seen: list[float], percent: float) -> None:
    """The bounds enclose the percentile of the observations themselves."""
    low, high = percentile_bounds(seen, percent)
    assert low <= percentile(seen, percent)
    assert high is None or percentile(seen, percent) <= high


@pytest.mark.parametrize(("count", "percent"), [(200, 50), (500, 90), (1000, 99)])
def test_bounds_cover(count: int, percent: float) -> None:
    """Each bound is missed with no more than half of 0.1 %: by the binomial distribution, as they are ranks."""
    ranks = [float(rank) for rank in range(count)]
    low, high = percentile_bounds(ranks, percent)
    assert binom.cdf(low, count, percent / 100) <= 0.0005  # so few below: the percentile would lie under the bound
    if high is not None:
        assert binom.sf(high, count, percent / 100) <= 0.0005


def test_controls_of_latency() -> None:
    """Just the margin more are delayed beyond the bound."""
    (found,) = latency(p90=1).controls()
    assert (found.name, found.edits[0].change({})) == (
        "15 % take 1.2s",
        {"fault": {"delay": {"fixedDelay": "1.2s", "percentage": {"value": 15}}}},
    )


@pytest.mark.parametrize(
    ("rates", "wanted"), [([120], HOLDS), ([20, 91], HOLDS), ([20, 89, 30, 40, 50], VIOLATED), ([], UNDECIDED)]
)
def test_rates(rates: list[float], wanted: Verdict) -> None:
    """The best burst counts, but for the margin."""
    assert rate(at_least=100).judge(rates).verdict is wanted


def test_control_of_rate() -> None:
    """Sixteen connections that are each held so long cannot be faster than wrong by the margin."""
    (found,) = rate(at_least=100, connections=16).controls()
    assert found.edits[0].change({}) == {"fault": {"delay": {"fixedDelay": "200ms", "percentage": {"value": 100}}}}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: latency(), "say which percentile"),
        (lambda: latency(p50=0), "above 0"),
        (lambda: latency(percentiles={100: 1}), "between 0 and 100"),
        (lambda: latency(p99=1, within=99.5), "a share and its margin"),
        (lambda: latency(p99=1, alpha=0), "alpha and beta"),
        (lambda: latency(p99=1, max_requests=0), "at least 1"),
        (lambda: rate(0), "at_least is above 0"),
        (lambda: rate(1, within=50), "within is above 0"),
        (lambda: rate(1, bursts=0), "at least 1"),
    ],
)
def test_senseless_figures(make: Any, words: str) -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match=words):
        make()
