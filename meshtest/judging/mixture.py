"""The evidence against the configured weights: the VIOLATED side of the test.

A mixture of likelihood ratios (Robbins 1970) over "arm k gets p_k + s g delta", for every arm k, direction s and g = 1,
2, 4, ...; the last one of each is clipped to "everything goes here" or "nothing does". Under the configured weights it
is a martingale, so that by Ville's inequality it reaches 1/alpha with probability alpha at the most. The geometric grid
makes gross defects cheap to find.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.arms import SplitParameters
from meshtest.judging.distributions import Floats
from meshtest.judging.hypotheses import CERTAIN

CAP_PART_OF_ALPHA = 0.2
"""The part of alpha kept for the decision at the cap."""

_WINDOW = 16
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Alternative:
    """``arm`` (an index) gets the share ``q`` instead of ``null``: a component of the mixture, with its prior ``weight``."""

    arm: int
    q: Fraction
    null: Fraction
    weight: float

    @property
    def per_hit(self) -> float:
        """log(q/null), what a hit adds to the log likelihood ratio."""
        return math.log(self.q / self.null) if self.q > 0 else -CERTAIN

    @property
    def per_miss(self) -> float:
        """log((1-q)/(1-null)), what a miss adds."""
        return math.log((1 - self.q) / (1 - self.null)) if self.q < 1 else -CERTAIN


@dataclass(frozen=True)
class Mixture:
    """M(n): its components and ``barrier``, the value of log M at which the split is VIOLATED.

    ``exceeds`` is the decision, a pure function of the counts; ``first_excess`` finds the first time it is true in a
    sequence, and uses vectorised arithmetic only to rule out what is clearly below. So how observations are cut into
    blocks cannot matter.
    """

    alternatives: tuple[Alternative, ...]
    barrier: float

    @cached_property
    def arm(self) -> NDArray[np.intp]:
        """The arm of each component."""
        return np.array([c.arm for c in self.alternatives], dtype=np.intp)

    @cached_property
    def per_hit(self) -> Floats:
        """What a hit adds to each component, shape (J, 1)."""
        return np.array([c.per_hit for c in self.alternatives]).reshape(-1, 1)

    @cached_property
    def per_miss(self) -> Floats:
        """What a miss adds to each component, shape (J, 1)."""
        return np.array([c.per_miss for c in self.alternatives]).reshape(-1, 1)

    @cached_property
    def log_weight(self) -> Floats:
        """Logarithm of each component's normalised prior weight, shape (J, 1)."""
        weights = np.array([c.weight for c in self.alternatives]).reshape(-1, 1)
        return np.asarray(np.log(weights / weights.sum()))

    @cached_property
    def _terms(self) -> tuple[tuple[int, float, float, float], ...]:
        offset = self.log_weight - self.barrier
        columns = (self.arm, self.per_hit[:, 0], self.per_miss[:, 0], offset[:, 0])
        return tuple(zip(*(column.tolist() for column in columns), strict=True))

    def exceeds(self, hits: Sequence[float], n: float) -> bool:
        """Whether M has reached 1/alpha after ``n`` requests with ``hits[k]`` for arm k."""
        terms = (hits[arm] * a + (n - hits[arm]) * b + c for arm, a, b, c in self._terms)
        return sum(math.exp(min(term, 1.0)) for term in terms) >= 1.0

    def log_m(self, hits: Floats, n: Floats) -> Floats:
        """log M for each column of ``hits``, shape (K, m), with ``n`` requests, shape (m,)."""
        if not self.alternatives:
            return np.zeros(np.shape(n))
        terms = self._log_terms(hits, hits, n, n)
        top = terms.max(axis=0)
        with np.errstate(under="ignore"):
            return np.asarray(top + np.log(np.exp(terms - top).sum(axis=0)))

    def first_excess(self, hits: Floats, n: Floats) -> int | None:
        """The first column of ``hits`` (K, m) at which ``exceeds`` is true, None if there is none."""
        if not self.alternatives or not n.size:
            return None
        columns = self._suspicious_columns(hits, n)
        suspicious = columns[
            self._may_exceed(self._log_terms(hits[:, columns], hits[:, columns], n[columns], n[columns]))
        ]
        return next((int(i) for i in suspicious if self.exceeds(hits[:, i].tolist(), float(n[i]))), None)

    def _suspicious_columns(self, hits: Floats, n: Floats) -> NDArray[np.intp]:
        """The columns of every window whose best case (all its hits at once, and all its misses) reaches the barrier."""
        first = np.arange(0, n.size, _WINDOW)
        last = np.minimum(first + _WINDOW, n.size) - 1
        hot = first[self._may_exceed(self._log_terms(hits[:, first], hits[:, last], n[first], n[last]))]
        columns = (hot[:, None] + np.arange(_WINDOW)).ravel()
        return columns[columns < n.size]

    def _log_terms(self, least: Floats, most: Floats, n_least: Floats, n_most: Floats) -> Floats:
        """An upper bound of each component between two looks, its value where they are the same; shape (J, m)."""
        hits_least, hits_most = least[self.arm], most[self.arm]
        misses_least, misses_most = (n_least - least)[self.arm], (n_most - most)[self.arm]
        gains = np.where(self.per_hit > 0, hits_most, hits_least) * self.per_hit
        gains += np.where(self.per_miss > 0, misses_most, misses_least) * self.per_miss
        return gains + self.log_weight

    def _may_exceed(self, log_terms: Floats) -> NDArray[np.bool_]:
        with np.errstate(under="ignore"):
            return np.asarray(np.exp(np.minimum(log_terms - self.barrier, 1.0)).sum(axis=0) >= 1.0 - _ROUNDING)


def violation_mixture(parameters: SplitParameters) -> Mixture:
    """The mixture for a split; empty when one arm gets everything, for then the first stray request already decides.

    Of exactly two arms with traffic only the smaller one is needed, its components being the larger one's seen from the
    other side. With ``slack`` d0 the denominators are p_k + s d0: a mesh off by up to d0 does not fail either.
    """
    last = len(parameters.arms) - (1 if parameters.two_sided_pair else 0)
    components = []
    for arm in range(parameters.idle, last):
        if parameters.arms[arm].share < 1:
            components += [c for sign in (+1, -1) for c in _one_direction(parameters, arm, sign)]
    barrier = -math.log(parameters.alpha * (1 - CAP_PART_OF_ALPHA))
    return Mixture(tuple(components), barrier)


def _one_direction(parameters: SplitParameters, index: int, sign: int) -> Iterator[Alternative]:
    arm = parameters.arms[index]
    null = arm.share + sign * parameters.slack_share
    g = 1
    while 0 < null < 1:
        q = min(max(arm.share + sign * g * arm.margin, Fraction(0)), Fraction(1))
        yield Alternative(index, q, null, 1 / g**2)
        if q in (0, 1):
            return
        g *= 2
