"""Whether something takes the time that it should, told apart from a slow machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from meshtest.judging.answers import Answer, Answers
from meshtest.judging.verdict import Forecast, Judgement, Verdict

ENOUGH = 20
"""So many must have been seen: a slow machine would have to slow each of them down."""

_LEAST_BATCH, _MOST_BATCH = 20, 500


@dataclass(frozen=True)
class Span:
    """A time in `seconds`, `tolerance` more of which do not matter; `name` says what takes it."""

    name: str
    seconds: float
    tolerance: float

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"the {self.name} is in seconds and must be above 0, not {self.seconds!r}")
        if not 0 < self.tolerance < math.inf:
            raise ValueError(
                f"the tolerance of the {self.name} is in seconds and must be above 0, not {self.tolerance!r}"
            )

    @property
    def most(self) -> float:
        """The longest that the quickest may take."""
        return self.seconds + self.tolerance

    def __str__(self) -> str:
        return f"{duration(self.seconds)} (and less than {duration(self.tolerance)} more)"


def tolerance_of(seconds: float) -> float:
    """What is tolerated unless something else is stated: a fifth, and at least 50 ms."""
    return max(seconds / 5, 0.05)


def duration(seconds: float) -> str:
    """As people, and Istio, write it: `1.5s`, `50ms`."""
    return f"{seconds:g}s" if seconds >= 1 else f"{1000 * seconds:.6g}ms"


@dataclass
class QuickestTrial:
    """Whether a time is as stated: it is never less, since a timer does not run fast, and the quickest of `ENOUGH` takes no more.

    Nothing here hangs on the speed of the machine, unless it slows each of `ENOUGH` requests down by the tolerance. `taken` says what an
    answer took (seconds), None for one that does not count; `share` is how many count, about.
    """

    span: Span
    taken: Callable[[Answer], float | None]
    share: float = 1.0
    requests: int = 0
    seen: list[float] = field(default_factory=list)
    verdict: Verdict | None = None

    def take(self, answers: Answers) -> Verdict | None:
        """Look at more answers; the verdict, None while there is none."""
        for answer in answers.answers():
            if self.verdict is not None:
                break
            self.requests += 1
            if (seconds := self.taken(answer)) is not None:
                self._see(seconds)
        return self.verdict

    def _see(self, seconds: float) -> None:
        self.seen.append(seconds)
        if seconds < self.span.seconds - _RESOLUTION:
            self.verdict = Verdict.VIOLATED
        elif len(self.seen) >= ENOUGH:
            self.verdict = Verdict.HOLDS if min(self.seen) < self.span.most else Verdict.VIOLATED

    def remaining(self) -> int:
        """About how many more requests lead to a verdict."""
        return 0 if self.verdict else math.ceil((ENOUGH - len(self.seen)) / self.share)

    def forecast(self) -> Forecast:
        """How many requests it will need."""
        from scipy.stats import nbinom

        p95 = ENOUGH + int(nbinom.ppf(0.95, ENOUGH, self.share))
        return Forecast(ENOUGH / self.share, p95, ENOUGH + int(nbinom.ppf(1 - 1e-9, ENOUGH, self.share)))

    def suggested_batch(self) -> int:
        """How many requests to send before looking again."""
        return 0 if self.verdict else min(max(self.remaining(), _LEAST_BATCH), _MOST_BATCH)

    @property
    def observed(self) -> str:
        """`the quickest delay 302ms`."""
        return f"the quickest {self.span.name} {_rounded(min(self.seen))}" if self.seen else f"no {self.span.name}"

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""
        verdict = self.verdict or Verdict.UNDECIDED
        figures = {"seconds": self.span.seconds, "tolerance": self.span.tolerance, "seen": len(self.seen)}
        evidence = {
            "expectation": "quickest",
            "of": self.span.name,
            **figures,
            "quickest": min(self.seen, default=None),
        }
        return Judgement(verdict, self._reason(), self.requests, evidence, self.observed)

    def _reason(self) -> str:
        if self.verdict is None:
            return f"only {len(self.seen)} of {ENOUGH} {self.span.name}s have been seen, too few to tell"
        quickest, configured = _rounded(min(self.seen)), duration(self.span.seconds)
        if self.verdict is Verdict.HOLDS:
            return f"no {self.span.name} was shorter than {configured}, and the quickest of {len(self.seen)} took {quickest}"
        if len(self.seen) < ENOUGH or min(self.seen) < self.span.seconds:
            return f"a {self.span.name} of {quickest} is shorter than {configured}"
        return f"the quickest of {len(self.seen)} {self.span.name}s took {quickest} instead of {configured}"


_RESOLUTION = 0.001
"""Seconds: Envoy's timers have a resolution of a millisecond (source/common/event/timer_impl.h)."""


def _rounded(seconds: float) -> str:
    return duration(round(seconds, 3))
