"""Are the requests independent, and is the share the same all along? Warnings that explain a verdict and never change it.

The guarantees assume that each request is routed without regard to the ones before. Sticky sessions, round robin and a
configuration that arrives late break that, each in its own way; all checks need the observations in the order in which
they were sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.distributions import Floats, kolmogorov_sf, normal_two_sided

STICKINESS = (-0.5, -0.2, 0.05, 0.1, 0.2, 0.4, 0.8, 0.95)
"""The values of rho in the Markov mixture: P(same arm again) = (1 - rho) p + rho; below 0 is "too regular"."""

MARKOV_E_VALUE = 1000.0
RUNS_P_VALUE = 1e-3
DRIFT_P_VALUE = 1e-3
MARKOV_SUPPORT = 0.01
"""The Markov e-value takes the shares as right, and so reads wrong shares as repetition: the runs test, which does not, must agree at
this level."""

_FLOOR = 0.1


def dependence_warnings(codes: NDArray[np.int32], shares: Sequence[float]) -> list[str]:
    """One sentence per anomaly in ``codes``, the arms' indexes in send order; ``shares`` are the configured ones."""
    if codes.size < 2:
        return []
    found = [_markov_warning(codes, shares), _runs_warning(codes), _drift_warning(codes)]
    return [warning for warning in found if warning]


def log_markov_e_value(codes: NDArray[np.int32], shares: Sequence[float]) -> tuple[float, bool]:
    """The log e-value against independent routing with the configured shares, and whether repetition is too frequent.

    A mixture over ``STICKINESS`` of first-order Markov chains with the right shares. For rho < 0, P(same) is kept above
    0.
    """
    p = np.array(shares)[codes[:-1]]
    same = codes[1:] == codes[:-1]
    informative = (p > 0) & (p < 1)
    terms = np.array([_log_markov_ratio(same[informative], p[informative], rho) for rho in STICKINESS])
    top = float(terms.max())
    return top + math.log(float(np.exp(np.maximum(terms - top, -700.0)).mean())), STICKINESS[int(terms.argmax())] > 0


def runs_p_value(codes: NDArray[np.int32]) -> float:
    """Two-sided p-value of the number of runs given the counts (Barton & David 1957); needs no configured shares."""
    n = codes.size
    counts = np.bincount(codes).astype(float)
    squares, cubes = float((counts**2).sum()), float((counts**3).sum())
    mean = (n * (n + 1) - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1))
    if variance <= 1e-9:
        return 1.0
    runs = 1 + int((codes[1:] != codes[:-1]).sum())
    return normal_two_sided((runs - mean) / math.sqrt(variance))


def drift_p_value(codes: NDArray[np.int32]) -> tuple[float, int]:
    """p-value of "every arm's share was the same all along", and the index at which it most likely changed.

    The supremum of each arm's bridged CUSUM, Kolmogorov's limit, times the number of arms (Bonferroni).
    """
    n, arms = codes.size, np.unique(codes)
    if arms.size < 2:
        return 1.0, 0
    supremum, index = max(_bridge_supremum(codes == arm) for arm in arms)
    return min(1.0, arms.size * kolmogorov_sf(supremum)), min(index, n)


def _log_markov_ratio(same: NDArray[np.bool_], p: Floats, rho: float) -> float:
    again = np.maximum((1 - rho) * p + rho, _FLOOR * p)
    return float(np.log(np.where(same, again / p, (1 - again) / (1 - p))).sum())


def _bridge_supremum(hit: NDArray[np.bool_]) -> tuple[float, int]:
    n = hit.size
    total = int(hit.sum())
    bridge = np.abs(np.cumsum(hit) - np.arange(1, n + 1) * (total / n))
    index = int(bridge.argmax())
    return float(bridge[index]) / math.sqrt(total * (1 - total / n)), index + 1


def _markov_warning(codes: NDArray[np.int32], shares: Sequence[float]) -> str:
    log_e, sticky = log_markov_e_value(codes, shares)
    if log_e < math.log(MARKOV_E_VALUE):
        return ""
    e_value = f"e-value 10^{log_e / math.log(10):.1f}"
    if np.all(codes == codes[0]):
        return f"every request went to the same arm: sticky routing looks just like dead other arms ({e_value})"
    if runs_p_value(codes) > MARKOV_SUPPORT:
        return ""
    meaning = "an arm repeats too often (sticky?)" if sticky else "arms alternate too regularly (round robin?)"
    return f"requests are not independent: {meaning}, {e_value}"


def _runs_warning(codes: NDArray[np.int32]) -> str:
    p = runs_p_value(codes)
    return (
        f"requests are not independent: the number of runs is unlikely for these counts (p={p:.1g})"
        if p < RUNS_P_VALUE
        else ""
    )


def _drift_warning(codes: NDArray[np.int32]) -> str:
    p, index = drift_p_value(codes)
    return (
        f"the shares changed during the test, most likely after request {index} (p={p:.1g})"
        if p < DRIFT_P_VALUE
        else ""
    )
