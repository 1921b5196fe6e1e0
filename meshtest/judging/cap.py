"""The decision at the cap: after how many requests a fixed-size test is as certain as wanted, and which counts it accepts.

Exact binomial tests, one for each defect hypothesis; HOLDS if all reject, again without correction for their number
(Berger 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.arms import SplitParameters
from meshtest.judging.distributions import Floats, binomial_lower_quantile, binomial_sf
from meshtest.judging.hypotheses import CAP_PART_OF_BETA, DefectHypothesis
from meshtest.judging.mixture import CAP_PART_OF_ALPHA

_RESOLUTION = 11


@dataclass(frozen=True)
class TerminalTest:
    """Exact tests of all defect hypotheses at a fixed number of requests.

    Each is put as "too few": of hits for a defect above, of misses for one below. ``defect`` is the probability of such
    a request under the defect, ``right`` the one under the worst mesh that is right, ``level`` the error rate of each
    test; shape (H,).
    """

    defect: Floats
    right: Floats
    level: Floats
    false_alarm: float

    def most_accepted(self, n: int) -> NDArray[np.int64]:
        """The largest count of hits (above) or misses (below) that rejects each hypothesis after ``n`` requests, -1 for none."""
        return binomial_lower_quantile(self.level, n, self.defect)

    def suffices(self, n: int) -> bool:
        """Whether ``n`` requests keep the false alarms within their budget."""
        return bool(binomial_sf(self.most_accepted(n), n, self.right).sum() <= self.false_alarm)

    def smallest_sufficient(self) -> int:
        """N_cap, by bisection in steps of a thousandth of it or less; in single steps up to 2048, and where no false alarm is possible.

        Counts being whole, sufficiency flickers near the smallest number; the one returned suffices for certain.
        """
        doubled = 1
        while not self.suffices(doubled):
            doubled *= 2
        step = max(doubled >> _RESOLUTION, 1) if self.right.any() else 1
        least, most = doubled // 2 // step, doubled // step
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (least, middle) if self.suffices(middle * step) else (middle, most)
        return most * step


def terminal_test(parameters: SplitParameters, hypotheses: Sequence[DefectHypothesis]) -> TerminalTest:
    """The test at the cap for these hypotheses (their ``eps`` does not matter)."""
    slack = float(parameters.slack_share)
    defect = [h.q if h.sign > 0 else 1 - h.q for h in hypotheses]
    right = [h.p if h.sign > 0 else 1 - h.p for h in hypotheses]
    level = [parameters.beta * (1 if h.clean else CAP_PART_OF_BETA) for h in hypotheses]
    moved = [share if h.clean else share + slack for h, share in zip(hypotheses, right, strict=True)]
    return TerminalTest(np.array(defect), np.array(moved), np.array(level), parameters.alpha * CAP_PART_OF_ALPHA)
