"""Everything about a test that is settled before the first request: its boundaries, its cap, and what they promise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.arms import SplitParameters
from meshtest.judging.cap import TerminalTest, terminal_test
from meshtest.judging.forecast import CrossingTimes
from meshtest.judging.hypotheses import DefectHypothesis, defect_hypotheses
from meshtest.judging.mixture import Mixture, violation_mixture

EPS_GRID = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
"""The shifts among which the one with the smallest forecast is taken: 0 is Wald's pair, 1/2 Lorden's 2-SPRT."""


@dataclass(frozen=True)
class Boundaries:
    """The decision rule of one split test. Immutable, so that any number of walks can share it."""

    parameters: SplitParameters
    eps: float
    hypotheses: tuple[DefectHypothesis, ...]
    mixture: Mixture
    terminal: TerminalTest
    cap: int

    @property
    def stop(self) -> int:
        """The number of requests after which the test ends, whatever it saw."""
        limit = self.parameters.max_requests
        return self.cap if limit is None else min(self.cap, int(limit))

    @property
    def decisive(self) -> bool:
        """Whether ``stop`` is the cap, where it is either HOLDS or VIOLATED; at the user's limit it may be UNDECIDED."""
        return self.stop == self.cap

    @cached_property
    def crossing_times(self) -> CrossingTimes:
        """The forecast's distribution."""
        return CrossingTimes(self.hypotheses)

    @cached_property
    def most_accepted(self) -> NDArray[np.int64]:
        """What each exact test accepts at ``stop``: see ``TerminalTest.most_accepted``."""
        return self.terminal.most_accepted(self.stop)

    def accepted_at_stop(self, hits: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which hypotheses the exact tests reject at ``stop``, with ``hits[k]`` for arm k."""
        too_many = [hits[h.arm] if h.sign > 0 else self.stop - hits[h.arm] for h in self.hypotheses]
        return np.asarray(np.array(too_many) <= self.most_accepted)


def boundaries(parameters: SplitParameters, eps: float | None = None) -> Boundaries:
    """The decision rule for ``parameters``; ``eps`` None takes the best of ``EPS_GRID``."""
    if eps is None:
        eps = min(EPS_GRID, key=lambda e: CrossingTimes(defect_hypotheses(parameters, e)).mean())
    hypotheses = defect_hypotheses(parameters, eps)
    terminal = terminal_test(parameters, hypotheses)
    return Boundaries(
        parameters, eps, hypotheses, violation_mixture(parameters), terminal, terminal.smallest_sufficient()
    )
