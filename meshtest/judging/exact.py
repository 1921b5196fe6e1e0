"""The exact operating characteristics of a two-arm split test, by dynamic programming over count x refuted hypotheses.

No simulation: the distribution of the count of the smaller arm is carried from request to request along the same
boundaries that a walk uses, looks after every request included. Seconds for some thousands of requests; the proof of
the stated error rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.boundaries import Boundaries
from meshtest.judging.distributions import Floats
from meshtest.judging.hypotheses import DefectHypothesis
from meshtest.judging.mixture import Mixture

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Characteristics:
    """Probabilities of the three verdicts, and the distribution of the number of requests until one; ``ends[n]`` is P(N = n)."""

    holds: float
    violated: float
    undecided: float
    ends: Floats = field(repr=False)

    @property
    def mean(self) -> float:
        """E[N]."""
        return float(np.arange(self.ends.size) @ self.ends)

    def quantile(self, probability: float) -> int:
        """The smallest n with P(N <= n) >= probability."""
        return int(np.searchsorted(np.cumsum(self.ends), probability * self.ends.sum()))


@dataclass(frozen=True)
class CountBoundaries:
    """The boundaries as counts S of the smaller arm, one entry for each n = 0..stop.

    A defect above is refuted when S <= ``few[n]``, one below when S >= ``many[n]``; the mixture violates at S <=
    ``low[n]`` or S >= ``high[n]``.
    """

    few: Counts
    many: Counts
    low: Counts
    high: Counts


def exact(boundaries: Boundaries, shares: tuple[float, float]) -> Characteristics:
    """What the test does on a mesh with these true ``shares`` of the smaller and the larger arm (the order of ``parameters.arms``).

    What they lack to 1 leaks to idle or unconfigured arms. Raises ValueError unless exactly two arms have a weight.
    """
    if not boundaries.parameters.two_sided_pair:
        raise ValueError("the exact calculation is for splits with exactly two arms of positive weight")
    return _CountDistribution(boundaries, shares).run()


def count_boundaries(boundaries: Boundaries) -> CountBoundaries:
    """The decision rule in counts, derived from the functions that a walk evaluates."""
    n = np.arange(boundaries.stop + 1)
    small = len(boundaries.parameters.arms) - 2
    few, many = n.copy(), np.zeros_like(n)
    for hypothesis in boundaries.hypotheses:
        if hypothesis.clean:
            continue
        too_many = hypothesis.sign > 0 if hypothesis.arm == small else hypothesis.sign < 0
        refuted = _refutation(hypothesis, small, n)
        if too_many:
            few = np.minimum(few, _last_true(refuted, n))
        else:
            many = np.maximum(many, n - _last_true(lambda s, test=refuted: test(n - s), n))  # type: ignore[misc]
    return CountBoundaries(few, many, *_mixture_boundaries(boundaries.mixture, n))


def _refutation(hypothesis: DefectHypothesis, small: int, n: Counts) -> Callable[[Counts], NDArray[np.bool_]]:
    def refuted(count: Counts) -> NDArray[np.bool_]:
        hits = count if hypothesis.arm == small else n - count
        return np.asarray(hypothesis.log_e(hits.astype(float), (n - hits).astype(float)) >= hypothesis.barrier)

    return refuted


def _last_true(holds: Callable[[Counts], NDArray[np.bool_]], most: Counts) -> Counts:
    """For each n the largest count in 0..most[n] for which a falling condition holds, -1 if none: bisection, elementwise."""
    least, beyond = np.full_like(most, -1), most + 1
    while np.any(beyond - least > 1):
        middle = (least + beyond) // 2
        true = holds(np.clip(middle, 0, most)) & (middle >= 0)
        least, beyond = np.where(true, middle, least), np.where(true, beyond, np.maximum(middle, least + 1))
    return least


def _mixture_boundaries(mixture: Mixture, n: Counts) -> tuple[Counts, Counts]:
    """log M is convex in the count: from its minimum outwards it crosses the barrier once on each side."""
    null = float(mixture.alternatives[0].null) if mixture.alternatives else 0.5
    valley = np.rint(null * n).astype(np.int64)

    def exceeds(count: Counts) -> NDArray[np.bool_]:
        hits = np.broadcast_to(count.astype(float), (int(mixture.arm.max()) + 1, n.size))
        return np.asarray(mixture.log_m(hits, n.astype(float)) >= mixture.barrier)

    low = _last_true(exceeds, valley)
    high = n - _last_true(lambda misses: exceeds(n - misses), n - valley)
    return low, high


class _CountDistribution:
    """The dynamic programme; ``mass[state, S]`` with state bit 0 "a defect above is refuted", bit 1 "a defect below is"."""

    def __init__(self, boundaries: Boundaries, shares: tuple[float, float]) -> None:
        self.boundaries = boundaries
        self.hit, self.miss = shares
        self.counts = count_boundaries(boundaries)
        self.clean = max((h.clean_requests for h in boundaries.hypotheses if h.clean), default=0)
        self.mass = np.zeros((4, boundaries.stop + 2))
        self.mass[0, 0] = 1.0
        self.ends = np.zeros(boundaries.stop + 1)
        self.holds = self.violated = self.undecided = 0.0
        self.least, self.most = 0, 0

    def run(self) -> Characteristics:
        """From no request to the last."""
        for n in range(1, self.boundaries.stop + 1):
            before = self.holds + self.violated
            self._request()
            self._refute(n)
            self._hold(n)
            self._violate(n)
            self.ends[n] = self.holds + self.violated - before
            if self.least > self.most:
                break
        self._stop()
        return Characteristics(self.holds, self.violated, self.undecided, self.ends)

    @property
    def _window(self) -> Floats:
        return self.mass[:, self.least : self.most + 1]

    def _request(self) -> None:
        self.violated += max(0.0, 1 - self.hit - self.miss) * float(self._window.sum())
        self.most += 1
        window = self._window
        hits = window[:, :-1] * self.hit
        window *= self.miss
        window[:, 1:] += hits

    def _refute(self, n: int) -> None:
        few, many = int(self.counts.few[n]), int(self.counts.many[n])
        left = self.mass[:, self.least : max(self.least, min(few, self.most) + 1)]
        _move(left, 0, 1)
        _move(left, 2, 3)
        right = self.mass[:, max(many, self.least) : self.most + 1]
        _move(right, 0, 2)
        _move(right, 1, 3)

    def _hold(self, n: int) -> None:
        if n >= self.clean:
            self.holds += float(self._window[3].sum())
            self._window[3] = 0.0

    def _violate(self, n: int) -> None:
        low, high = int(self.counts.low[n]), int(self.counts.high[n])
        for part in (self.mass[:, self.least : low + 1], self.mass[:, max(high, self.least) : self.most + 1]):
            self.violated += float(part.sum())
            part[:] = 0.0
        self.least, self.most = max(self.least, low + 1), min(self.most, high - 1)

    def _stop(self) -> None:
        if self.least > self.most:
            return
        accepted = np.array([self._accepted(count) for count in range(self.least, self.most + 1)])
        inside, outside = float(self._window[:, accepted].sum()), float(self._window[:, ~accepted].sum())
        self.holds += inside
        if self.boundaries.decisive:
            self.violated += outside
        else:
            self.undecided += outside
        self.ends[-1] += inside + outside

    def _accepted(self, count: int) -> bool:
        hits = np.zeros(len(self.boundaries.parameters.arms), np.int64)
        hits[-2:] = count, self.boundaries.stop - count
        return bool(self.boundaries.accepted_at_stop(hits).all())


def _move(mass: Floats, source: int, target: int) -> None:
    mass[target] += mass[source]
    mass[source] = 0.0
