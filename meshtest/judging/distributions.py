"""The probability distributions that judging needs, from ``scipy.special`` (``scipy.stats`` takes most of a second to import).

The only module that imports scipy. Everything is vectorised and silent: impossible counts have probability 0, certain
ones 1.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]


def binomial_cdf(count: ArrayLike, n: ArrayLike, p: ArrayLike) -> Floats:
    """P(X <= count) for X ~ Bin(n, p), by the incomplete beta function: right for any n, unlike ``special.bdtr``."""
    count, n, p = _broadcast(count, n, p)
    inside = np.clip(count, 0.0, n - 1)
    return np.where(count < 0, 0.0, np.where(count >= n, 1.0, special.betainc(n - inside, inside + 1, 1 - p)))


def binomial_sf(count: ArrayLike, n: ArrayLike, p: ArrayLike) -> Floats:
    """P(X > count) for X ~ Bin(n, p)."""
    count, n, p = _broadcast(count, n, p)
    inside = np.clip(count, 0.0, n - 1)
    return np.where(count < 0, 1.0, np.where(count >= n, 0.0, special.betainc(inside + 1, n - inside, p)))


def binomial_lower_quantile(level: ArrayLike, n: ArrayLike, p: ArrayLike) -> NDArray[np.int64]:
    """The largest count with P(X <= count) <= level, -1 if there is none; exact, by correcting a numerical inverse."""
    level, n, p = _broadcast(level, n, p)
    guess = special.bdtrik(level, n, np.clip(p, 1e-300, 1 - 1e-15))
    count = np.clip(np.floor(np.nan_to_num(guess, nan=-1.0)), -1.0, n - 1)
    while np.any(too_high := binomial_cdf(count, n, p) > level):
        count = count - too_high
    while np.any(too_low := (count + 1 < n) & (binomial_cdf(count + 1, n, p) <= level)):
        count = count + too_low
    return count.astype(np.int64)


def binomial_quantile(level: float, n: int, p: float) -> int:
    """The smallest count with P(X <= count) >= level (0..1), for X ~ Bin(n, p)."""
    below = int(binomial_lower_quantile(level, n, p))
    return below if below >= 0 and binomial_cdf(below, n, p) == level else below + 1


def binomial_upper_quantile(level: float, n: int, p: float) -> int:
    """The smallest count with P(X > count) <= level (0..1), for X ~ Bin(n, p); exact for small levels, too."""
    return n - 1 - int(binomial_lower_quantile(level, n, 1 - p))


def trials_quantile(rest: float, successes: int, p: float) -> int:
    """The smallest number of trials that bring fewer successes than so many with the probability `rest` (0..1) at the most."""
    enough = successes
    while binomial_cdf(successes - 1, enough, p) > rest:
        enough *= 2
    return bisect_left(range(enough), True, key=lambda trials: bool(binomial_cdf(successes - 1, trials, p) <= rest))


def inverse_gaussian_sf(t: Floats, mean: ArrayLike, shape: ArrayLike) -> Floats:
    """P(T > t) for an inverse Gaussian T, t > 0, in closed form (Shuster 1968); the second term in logs, lest it overflow."""
    mean, shape = np.asarray(mean, float), np.asarray(shape, float)
    root = np.sqrt(shape / t)
    second = np.exp(np.minimum(2 * shape / mean + special.log_ndtr(-root * (t / mean + 1)), 0.0))
    return np.asarray(np.clip(special.ndtr(-root * (t / mean - 1)) - second, 0.0, 1.0))


def normal_two_sided(z: float) -> float:
    """P(|Z| >= |z|) for a standard normal Z."""
    return float(2 * special.ndtr(-abs(z)))


def kolmogorov_sf(statistic: float) -> float:
    """P(sup of a Brownian bridge's modulus > statistic): the limit of Kolmogorov's statistic times sqrt(n)."""
    return float(special.kolmogorov(statistic))


def log_beta(a: float, b: float) -> float:
    """Logarithm of Euler's beta function."""
    return float(special.betaln(a, b))


def _broadcast(*values: ArrayLike) -> tuple[Floats, ...]:
    return np.broadcast_arrays(*(np.asarray(value, float) for value in values))
