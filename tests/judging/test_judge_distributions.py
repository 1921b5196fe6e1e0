"""The distributions against scipy.stats, and their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from meshtest.judging.certified import anytime_interval
from meshtest.judging.distributions import (
    binomial_cdf,
    binomial_lower_quantile,
    binomial_quantile,
    binomial_sf,
    binomial_upper_quantile,
    inverse_gaussian_sf,
    kolmogorov_sf,
    normal_two_sided,
    trials_quantile,
)


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0, 1))
def test_binomial_tails(n: int, p: float, where: float) -> None:
    """Both tails agree with scipy.stats for every count, the impossible ones included."""
    counts = np.array([-1, 0, int(where * n), n - 1, n, n + 1])
    assert binomial_cdf(counts, n, p) == pytest.approx(stats.binom.cdf(counts, n, p), rel=1e-9, abs=1e-290)
    assert binomial_sf(counts, n, p) == pytest.approx(stats.binom.sf(counts, n, p), rel=1e-9, abs=1e-290)


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.05, 1e-4, 1e-7, 1e-13]))
def test_binomial_lower_quantile_is_exact(n: int, p: float, level: float) -> None:
    """It is the largest count whose lower tail is at most the level, and -1 if there is none."""
    count = int(binomial_lower_quantile(level, n, p))
    assert -1 <= count < n
    assert count == -1 or binomial_cdf(count, n, p) <= level
    assert count == n - 1 or binomial_cdf(count + 1, n, p) > level


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.9995, 0.5, 5e-4, 1e-6 / 3, 1e-13]))
def test_quantiles_of_both_tails(n: int, p: float, level: float) -> None:
    """The smallest count whose lower tail is at least the level, and the smallest whose upper tail is at most so much."""
    low, high = binomial_quantile(level, n, p), binomial_upper_quantile(level, n, p)
    assert binomial_cdf(low, n, p) >= level
    assert low == 0 or binomial_cdf(low - 1, n, p) < level
    assert binomial_sf(high, n, p) <= level * (1 + 1e-9)
    assert high == 0 or binomial_sf(high - 1, n, p) > level * (1 - 1e-9)


@given(st.integers(1, 40), st.floats(0.01, 1), st.sampled_from([0.05, 1e-3, 1e-9]))
def test_trials_quantile(successes: int, p: float, rest: float) -> None:
    """As the negative binomial has it, which counts what is behind so many successes."""
    assert trials_quantile(rest, successes, p) == successes + stats.nbinom.isf(rest, successes, p)


@pytest.mark.parametrize(("mean", "shape"), [(1900.0, 4000.0), (10.0, 1e5), (500.0, 3.0)])
def test_inverse_gaussian(mean: float, shape: float) -> None:
    """The closed form agrees with scipy.stats, far into the tails."""
    t = np.geomspace(mean / 100, mean * 20, 60)
    expected = stats.invgauss(mean / shape, scale=shape).sf(t)
    assert inverse_gaussian_sf(t, mean, shape) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_normal_and_kolmogorov() -> None:
    """Known quantiles: 1.96 for the normal, 1.358 for Kolmogorov, at 5 %."""
    assert normal_two_sided(-1.959964) == pytest.approx(0.05, abs=1e-6)
    assert kolmogorov_sf(1.3581) == pytest.approx(0.05, abs=1e-4)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(1e-6, 0.5))
def test_anytime_interval_covers_the_observed_share(hits: int, misses: int, error: float) -> None:
    """It contains the observed share, is mirrored with the arms, and is wider for a smaller error."""
    n = hits + misses
    low, high = anytime_interval(hits, n, error)
    assert 0 <= low <= (hits / n if n else 0.5) <= high <= 1
    mirrored = anytime_interval(misses, n, error)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-9)
    wider = anytime_interval(hits, n, error / 10)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12


def test_anytime_interval_misses_with_its_error_at_the_most() -> None:
    """The exact probability that the true share is ever outside, over 400 looks, is below the error."""
    share, error, n_most = 0.3, 0.1, 400
    mass, missed = np.array([1.0]), 0.0
    for n in range(1, n_most + 1):
        mass = np.concatenate([mass, [0.0]]) * (1 - share) + np.concatenate([[0.0], mass]) * share
        for hits in np.flatnonzero(mass > 1e-12):
            low, high = anytime_interval(int(hits), n, error) if n % 8 == 0 else (0.0, 1.0)
            if not low <= share <= high:
                missed += float(mass[hits])
                mass[hits] = 0.0
    assert 0.01 * error < missed <= error
