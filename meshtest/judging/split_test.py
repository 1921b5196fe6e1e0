"""The sequential test of a weighted split: feed it observations until it has a verdict.

    test = SplitTest({"v1": 80, "v2": 20}, within=5)
    while test.observe_many(measure(test.suggested_batch())) is None: ...
    print(test.judgement())

Which mesh it accepts and with what error rates is settled when it is made; how many requests that takes depends on what
it sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice, repeat

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.arms import SplitParameters
from meshtest.judging.boundaries import Boundaries, boundaries
from meshtest.judging.diagnostics import dependence_warnings
from meshtest.judging.fitting import fitting_tolerances
from meshtest.judging.split_evidence import Observed, split_judgement
from meshtest.judging.verdict import Forecast, Judgement, Verdict
from meshtest.judging.walk import UNCONFIGURED, Decided, Walk

LEAST_BATCH = 50
MOST_BATCH = 500

_CHUNK = 4096


@lru_cache(maxsize=64)
def _shared(
    weights: tuple[tuple[str, float], ...],
    within: float,
    alpha: float,
    beta: float,
    max_requests: int | None,
    zero_within: float,
    slack: float,
) -> Boundaries:
    """A rule that takes milliseconds to find, and that the controls of a test have in common."""
    return boundaries(SplitParameters(dict(weights), within, alpha, beta, max_requests, zero_within, slack))


class SplitTest:
    """A test of whether traffic is split as configured.

    ``weights`` are relative, as in a VirtualService. ``within`` is the smallest deviation that matters, ``zero_within``
    that of an arm of weight 0, ``slack`` the largest that is certainly harmless; all in percentage points. ``alpha``
    bounds the probability of VIOLATED for a mesh that is right, ``beta`` that of HOLDS for one in which some arm is off
    by its margin or more, or dead. An answer of an arm not among the weights, or of none (None), is a violation at
    once, and so is one of an arm of weight 0. With fewer ``max_requests`` than the forecast's cap the test may end
    UNDECIDED. Raises ValueError for senseless arguments.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        within: float = 5,
        alpha: float = 1e-6,
        beta: float = 1e-3,
        max_requests: int | None = None,
        zero_within: float = 1,
        slack: float = 0,
    ) -> None:
        self.parameters = SplitParameters(dict(weights), within, alpha, beta, max_requests, zero_within, slack)
        self.boundaries: Boundaries = _shared(
            tuple(weights.items()), within, alpha, beta, max_requests, zero_within, slack
        )
        self._walk = Walk(self.boundaries)
        self._codes: dict[str | None, int] = {arm.name: code for code, arm in enumerate(self.parameters.arms)}
        self._stray: str | None = None

    def observe(self, arm: str | None) -> Verdict | None:
        """Take one more answer; returns the verdict, None while there is none. After the verdict observations are ignored."""
        return self.observe_many((arm,))

    def observe_many(self, arms: Iterable[str | None]) -> Verdict | None:
        """Take answers in send order up to the first that decides and ignore the rest; the same as ``observe`` for each."""
        remaining = iter(arms)
        while self.verdict is None and (chunk := list(islice(remaining, _CHUNK))):
            counted = self._walk.advance(self._encode(chunk))
            if self._walk.how is Decided.UNCONFIGURED_ARM:
                self._stray = chunk[counted - 1]
        return self.verdict

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while there is none."""
        return self._walk.verdict

    @property
    def requests(self) -> int:
        """How many observations counted; once there is a verdict, the number of the one that decided."""
        return self._walk.requests

    @property
    def counts(self) -> dict[str | None, int]:
        """Answers per arm, in the order of the weights, then the unconfigured one that ended the test, if any."""
        counts: dict[str | None, int] = {
            name: int(self._walk.hits[self._codes[name]]) for name in self.parameters.weights
        }
        if self._walk.how is Decided.UNCONFIGURED_ARM:
            counts[self._stray] = 1
        return counts

    @property
    def progress(self) -> float:
        """How close the test is to HOLDS, 0..1: the weakest of its refutations."""
        steps = zip(self.boundaries.hypotheses, self._walk.refuted, strict=True)
        return min(1.0 if refuted else h.progress(*self._hits_and_misses(h.arm)) for h, refuted in steps)

    def forecast(self) -> Forecast:
        """How many requests a mesh that is right will need, from the start; with the tolerance that would fit ``max_requests``."""
        cap, times = self.boundaries.cap, self.boundaries.crossing_times
        within, zero_within = fitting_tolerances(self.boundaries)
        p95 = min(times.quantile(0.95), cap)
        return Forecast(times.mean(cap), p95, cap, self.parameters.max_requests, within, zero_within)

    def remaining(self) -> int:
        """About how many more requests lead to HOLDS on a mesh that is right; 0 once there is a verdict."""
        if self.verdict is not None:
            return 0
        open_hypotheses = (
            h for h, refuted in zip(self.boundaries.hypotheses, self._walk.refuted, strict=True) if not refuted
        )
        expected = max(h.remaining(*self._hits_and_misses(h.arm)) for h in open_hypotheses)
        return max(1, min(round(expected), self.boundaries.stop - self.requests))

    def suggested_batch(self) -> int:
        """How many requests to send before looking again: what is expected to be missing, 50..500, not past the cap; 0 when done."""
        if self.verdict is not None:
            return 0
        return min(max(self.remaining(), LEAST_BATCH), MOST_BATCH, self.boundaries.stop - self.requests)

    def diagnose(self) -> list[str]:
        """Warnings, one sentence each, that requests are not independent or the shares changed; they never change the verdict."""
        codes = np.frombuffer(self._walk.sequence, dtype=np.intc)
        return dependence_warnings(codes[codes != UNCONFIGURED], [float(arm.share) for arm in self.parameters.arms])

    def judgement(self) -> Judgement:
        """The verdict so far with its reason and its figures; UNDECIDED while there is none."""
        return split_judgement(
            Observed(self._walk, self.counts, self._stray, self.forecast(), self.remaining(), self.diagnose())
        )

    def _encode(self, arms: list[str | None]) -> NDArray[np.int32]:
        return np.fromiter(map(self._codes.get, arms, repeat(UNCONFIGURED)), np.int32, len(arms))

    def _hits_and_misses(self, arm: int) -> tuple[int, int]:
        hits = int(self._walk.hits[arm])
        return hits, self.requests - hits
