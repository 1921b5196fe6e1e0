"""How many requests the test is going to need on a mesh that is right.

Under p each log e-value is a random walk with drift mu and variance v, so that it crosses its barrier b after about an
inverse Gaussian time of mean b/mu and shape b^2/v. The test ends with the last crossing: P(N > t) <= sum of P(tau_j >
t).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from meshtest.judging.distributions import Floats, inverse_gaussian_sf
from meshtest.judging.hypotheses import DefectHypothesis

_GRID = 600
_FARTHEST = 30.0


@dataclass(frozen=True)
class CrossingTimes:
    """When the defect hypotheses will all be refuted, on a mesh that is right."""

    hypotheses: Sequence[DefectHypothesis]

    @cached_property
    def grid(self) -> Floats:
        """Numbers of requests at which the survival function is evaluated; shape (_GRID + 1,)."""
        scale = max(h.remaining(0, 0) for h in self.hypotheses)
        clean = [h.clean_requests for h in self.hypotheses if h.clean]
        smooth = np.concatenate([[0.0], np.geomspace(scale / 50, scale * _FARTHEST, _GRID)])
        steps = np.array([edge for n in clean for edge in (np.nextafter(n, 0), float(n))])
        return np.sort(np.concatenate([smooth, steps]))

    @cached_property
    def survival(self) -> Floats:
        """P(N > t) or a little more, for each t of the grid."""
        return np.minimum(sum((_survival(h, self.grid) for h in self.hypotheses), np.zeros(self.grid.size)), 1.0)

    def mean(self, cap: float = np.inf) -> float:
        """The expected number of requests, at most ``cap`` being sent."""
        steps = np.diff(np.minimum(self.grid, cap))
        return float(steps @ (self.survival[1:] + self.survival[:-1]) / 2)

    def quantile(self, probability: float) -> int:
        """The number of requests within which a run ends with this probability."""
        open_ended = self.survival > 1 - probability
        last = int(np.flatnonzero(open_ended)[-1])
        ends = self.survival[[last + 1, last]], self.grid[[last + 1, last]]
        return int(np.ceil(np.interp(1 - probability, *ends)))


def _survival(hypothesis: DefectHypothesis, t: Floats) -> Floats:
    """P(tau > t), t >= 0 requests."""
    h = hypothesis
    if h.clean:
        return (t < h.clean_requests).astype(float)
    with np.errstate(under="ignore"):
        if h.dead_arm:
            return np.asarray((1 - h.p) ** t)
        later = inverse_gaussian_sf(np.maximum(t, 1e-9), h.barrier / h.drift, h.barrier**2 / h.variance)
    return np.where(t > 0, later, 1.0)
