"""How the evidence of a split test grew over its requests, thinned to what a plot can show."""

from __future__ import annotations

import math

import numpy as np

from meshtest.judging.distributions import Floats
from meshtest.judging.walk import Walk

POINTS = 120
"""Of a course, at the most: a plot of 600 pixels shows no more."""

_LEAST = -3.0  # decimal logarithms below it are all "nothing speaks for it"


def course(walk: Walk) -> dict[str, object] | None:
    """The evidence against the configured weights, and for their margins, after so many ``requests``; None if nothing was weighed.

    All are decimal logarithms of odds. ``against`` is log M, which is VIOLATED at ``violated_at``. ``holds`` is the weakest
    refutation of a defect, one that is refuted counting as full: HOLDS when it reaches ``holds_at``. Both are cut off at 1 in
    1000. Where one arm gets everything there is no ``against``: the first answer from elsewhere decides.
    """
    boundaries = walk.boundaries
    if not walk.requests or not boundaries.mixture.alternatives:
        return None
    at = np.unique(np.linspace(1, walk.requests, POINTS).round().astype(np.intp))
    codes = np.frombuffer(walk.sequence, dtype=np.intc)
    hits = np.cumsum(codes == np.arange(walk.hits.size)[:, None], axis=1, dtype=float)
    n = np.arange(1.0, codes.size + 1)
    against = boundaries.mixture.log_m(hits[:, at - 1], n[at - 1])
    holds_at = max(each.barrier for each in boundaries.hypotheses)
    return {
        "requests": at.tolist(),
        "against": _told(against, boundaries.mixture.barrier),
        "holds": _told(_weakest(walk, hits, n)[at - 1] * holds_at, holds_at),
        "violated_at": _decimal(boundaries.mixture.barrier),
        "holds_at": _decimal(holds_at),
    }


def _weakest(walk: Walk, hits: Floats, n: Floats) -> Floats:
    """The least part, up to 1, of its barrier that the refutation of any hypothesis had reached; what is refuted stays so."""
    found = np.ones(n.size)
    for each in walk.boundaries.hypotheses:
        part = np.minimum(each.log_e(hits[each.arm], n - hits[each.arm]) / each.barrier, 1.0)
        part[np.maximum.accumulate(part) >= 1.0] = 1.0
        found = np.minimum(found, part)
    return found


def _told(values: Floats, barrier: float) -> list[float]:
    """Rounded for a plot, and cut off below, and twice as high as the boundary."""
    decimals = np.clip(values / math.log(10), _LEAST, 2 * barrier / math.log(10))
    return [round(float(each), 2) for each in decimals]


def _decimal(value: float) -> float:
    return round(value / math.log(10), 3)
