"""What the counts say about each arm's true share: the certified range, which cannot contradict a verdict, and an anytime interval.

The certified range holds all shares that the test's own e-processes do not reject, each side at error rate beta,
intersected with what was refuted on the way. So HOLDS means that each range lies between the margins, and the other way
round.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from meshtest.judging.boundaries import Boundaries
from meshtest.judging.distributions import log_beta
from meshtest.judging.hypotheses import DefectHypothesis, shifted_hypothesis
from meshtest.judging.walk import Walk

Range = tuple[float, float]

_BISECTIONS = 50


def certified_ranges(walk: Walk) -> tuple[Range, ...]:
    """(low, high) of each arm's share, in the order of ``parameters.arms``."""
    parameters = walk.boundaries.parameters
    ranges = [_certified_range(walk, arm) for arm in range(len(parameters.arms))]
    if parameters.two_sided_pair:
        low, high = ranges[-2]
        ranges[-1] = (1 - high, 1 - low)
    return tuple(ranges)


def anytime_interval(hits: int, n: int, error: float) -> Range:
    """The shares not rejected at ``error`` by a beta-binomial mixture with a uniform prior (Robbins 1970): valid at any time."""
    if n == 0:
        return 0.0, 1.0
    misses = n - hits
    log_marginal = log_beta(hits + 1, misses + 1)

    def rejected(q: float) -> bool:
        return log_marginal - _log_likelihood(hits, misses, q) >= -math.log(error)

    observed = hits / n
    return _edge(rejected, observed, 0.0), _edge(rejected, observed, 1.0)


def _certified_range(walk: Walk, arm: int) -> Range:
    share = float(walk.boundaries.parameters.arms[arm].share)
    low = 0.0 if share == 0 else _certified_edge(walk, arm, -1)
    high = 1.0 if share == 1 else _certified_edge(walk, arm, +1)
    return low, high


def _certified_edge(walk: Walk, arm: int, sign: int) -> float:
    """The farthest share on this side of the configured one that is not rejected."""
    stated, refuted = _stated_hypothesis(walk, arm, sign)
    near, far = float(walk.boundaries.parameters.arms[arm].share), 1.0 if sign > 0 else 0.0
    if stated is not None:
        near, far = (near, stated.q) if refuted else (stated.q, far)
    return _edge(_rejection(walk, arm, sign), near, far)


def _stated_hypothesis(walk: Walk, arm: int, sign: int) -> tuple[DefectHypothesis | None, bool]:
    """The defect hypothesis of this arm and side, and whether it is refuted; an idle arm that was hit is not cleared any more."""
    for hypothesis, refuted in zip(walk.boundaries.hypotheses, walk.refuted, strict=True):
        if (hypothesis.arm, hypothesis.sign) == (arm, sign):
            return hypothesis, bool(refuted) and not (hypothesis.p == 0 and walk.hits[arm] > 0)
    return None, False


def _rejection(walk: Walk, arm: int, sign: int) -> Callable[[float], bool]:
    boundaries: Boundaries = walk.boundaries
    p = float(boundaries.parameters.arms[arm].share)
    hits = int(walk.hits[arm])
    misses = walk.requests - hits

    def rejected(q: float) -> bool:
        hypothesis = shifted_hypothesis(arm, sign, p, q, boundaries.eps, boundaries.parameters.beta)
        return hits * hypothesis.per_hit + misses * hypothesis.per_miss >= hypothesis.barrier

    return rejected


def _edge(rejected: Callable[[float], bool], near: float, far: float) -> float:
    """Where rejection begins between ``near`` (not rejected) and ``far``; ``far`` if it never does."""
    if not rejected(far):
        return far
    for _ in range(_BISECTIONS):
        middle = (near + far) / 2
        near, far = (near, middle) if rejected(middle) else (middle, far)
    return far


def _log_likelihood(hits: int, misses: int, q: float) -> float:
    if (hits and q <= 0) or (misses and q >= 1):
        return -math.inf
    return (hits * math.log(q) if hits else 0.0) + (misses * math.log1p(-q) if misses else 0.0)
