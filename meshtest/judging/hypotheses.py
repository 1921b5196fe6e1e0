"""The ways in which a split can be wrong, each with the evidence that refutes it: the HOLDS side of the test.

One hypothesis per arm and direction, refuted by a shifted one-sided likelihood ratio (Wald 1945; Lorden 1976 for the
shift). Under the whole composite defect it is a supermartingale, so that by Ville's inequality (1939) it reaches 1/beta
with probability beta at the most. HOLDS needs every hypothesis refuted, which makes it an intersection-union test
(Berger 1982): no correction for their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from meshtest.judging.arms import Arm, SplitParameters
from meshtest.judging.distributions import Floats

CERTAIN = 1e12
"""Stands for infinite evidence: more than any number of requests can outweigh, and still finite, so that 0 * CERTAIN is 0."""

CAP_PART_OF_BETA = 0.1
"""The part of beta kept for the decision at the cap."""


@dataclass(frozen=True)
class DefectHypothesis:
    """``arm`` (an index) gets at least ``q`` (``sign`` +1) or at most ``q`` (-1), configured being ``p``; ``r`` is the numerator's share.

    Its log e-value after ``n`` requests with ``S`` hits is ``S * per_hit + (n - S) * per_miss``; it is refuted for ever
    once that reaches ``barrier``.
    """

    arm: int
    sign: int
    p: float
    q: float
    r: float
    level: float

    @property
    def dead_arm(self) -> bool:
        """Whether it says "this arm gets nothing at all": refuted by its first hit."""
        return self.q == 0

    @property
    def clean(self) -> bool:
        """Whether the configured share is 0 or 100 %: refuted by a fixed number of requests, none of them astray."""
        return self.p in (0.0, 1.0)

    @cached_property
    def per_hit(self) -> float:
        """a = log(r/q), what a hit adds to the log e-value."""
        return _log_ratio(self.r, self.q)

    @cached_property
    def per_miss(self) -> float:
        """b = log((1-r)/(1-q)), what a miss adds."""
        return _log_ratio(1 - self.r, 1 - self.q)

    @cached_property
    def barrier(self) -> float:
        """b_pass = log(1/level)."""
        return -math.log(self.level)

    @property
    def drift(self) -> float:
        """mu, the mean gain of the log e-value per request on a mesh that is right."""
        return self.p * self.per_hit + (1 - self.p) * self.per_miss

    @property
    def variance(self) -> float:
        """v, the variance of that gain."""
        return self.p * (1 - self.p) * (self.per_hit - self.per_miss) ** 2

    @cached_property
    def clean_requests(self) -> int:
        """For a ``clean`` hypothesis: how many requests refute it, if none goes astray."""
        return math.ceil(self.barrier / max(self.per_hit, self.per_miss))

    def log_e(self, hits: Floats, misses: Floats) -> Floats:
        """The log e-value, elementwise."""
        return hits * self.per_hit + misses * self.per_miss

    def remaining(self, hits: float, misses: float) -> float:
        """About how many more requests will refute it on a mesh that is right, seen from here."""
        if self.dead_arm:
            return 1 / self.p
        return max(self.barrier - (hits * self.per_hit + misses * self.per_miss), 0.0) / self.drift

    def progress(self, hits: float, misses: float) -> float:
        """How far it is refuted, 0..1."""
        if self.dead_arm:
            return 1 - math.exp(misses * math.log1p(-self.p))
        return min(max((hits * self.per_hit + misses * self.per_miss) / self.barrier, 0.0), 1.0)


def defect_hypotheses(parameters: SplitParameters, eps: float) -> tuple[DefectHypothesis, ...]:
    """All hypotheses that must be refuted, with the numerator moved by ``eps`` (0..1) of the way from p towards q.

    Of exactly two arms with traffic the larger one is dropped: its defects are the smaller one's seen from the other
    side. That stays exact beside arms of weight 0. Suppose the larger arm gets at most 1-q, some requests leak to idle
    arms, and q is the smaller one's upper defect. A leak ends the test, so the smaller one's e-value only counts while
    there is none, and its expected factor is then at most q*r/q + (1-q)*(1-r)/(1-q) = 1. The one exception is "the
    larger arm is dead", which has no counterpart when the smaller one's upper defect is 1 or more: it is kept.
    """
    largest = len(parameters.arms) - 1
    defects = [h for index, arm in enumerate(parameters.arms) for h in _defects_of(arm, index, eps, parameters.beta)]
    if parameters.two_sided_pair:
        defects = [h for h in defects if h.arm != largest or h.dead_arm]
    return tuple(defects)


def shifted_hypothesis(arm: int, sign: int, p: float, q: float, eps: float, beta: float) -> DefectHypothesis:
    """The hypothesis that ``arm`` gets the share ``q`` or beyond. No shift, and all of beta, where there is nothing to wait for."""
    clean = p in (0.0, 1.0)
    level = beta if clean else beta * (1 - CAP_PART_OF_BETA)
    return DefectHypothesis(arm, sign, p, q, p if clean or q == 0 else p + eps * (q - p), level)


def _defects_of(arm: Arm, index: int, eps: float, beta: float) -> list[DefectHypothesis]:
    p, defects = float(arm.share), []
    if arm.share < 1 and arm.upper < 1:
        defects.append(shifted_hypothesis(index, +1, p, float(arm.upper), eps, beta))
    if arm.share > 0:
        defects.append(shifted_hypothesis(index, -1, p, float(arm.lower), eps, beta))
    return defects


def _log_ratio(numerator: float, denominator: float) -> float:
    if denominator <= 0:
        return CERTAIN
    return math.log(numerator / denominator) if numerator > 0 else -CERTAIN
