"""Whether something takes the time that it should, told apart from a slow machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from meshtest.judging.answers import Answer, Answers
from meshtest.judging.verdict import Forecast, Judgement, Verdict

ENOUGH = 20
"""So many are looked at at least."""

PATIENCE = 3 * ENOUGH
"""So many before something is called too long: a machine may be slow for a while."""

_LEAST_BATCH, _MOST_BATCH = 20, 500


@dataclass(frozen=True)
class Span:
    """A time in `seconds`, and `tolerance`, the smallest deviation that matters; `name` says what takes it."""

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
        """What the quickest must be below."""
        return self.seconds + self.tolerance / 2

    @property
    def least(self) -> float:
        """What the median must reach."""
        return self.seconds - self.tolerance / 2

    def __str__(self) -> str:
        return f"{duration(self.seconds)} (within {duration(self.tolerance)})"


def tolerance_of(seconds: float) -> float:
    """What is tolerated unless something else is stated: a fifth, and at least 100 ms (but no more than the half)."""
    return min(max(seconds / 5, 0.1), seconds / 2)


def duration(seconds: float) -> str:
    """As people, and Istio, write it: `1.5s`, `50ms`."""
    return f"{seconds:g}s" if seconds >= 1 else f"{1000 * seconds:.6g}ms"


@dataclass
class QuickestTrial:
    """Whether a time is as stated, whatever the machine's speed, and not off by the tolerance.

    Of `ENOUGH` requests the median takes no less than half the tolerance less; and of those, and up to `PATIENCE` if need be, the quickest
    takes less than half the tolerance more.

    A slow machine makes times longer, and would have to do so to each of them. It can make them shorter too: Envoy's timers count from when
    its event loop woke up (source/common/event/dispatcher_impl.cc, `updateApproximateMonotonicTime`), by milliseconds; half of them would
    have to be. `taken` says what an answer took (seconds), None for one that does not count; `share` is how many count, about.
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
        number = len(self.seen)
        if number == ENOUGH and self.median < self.span.least:
            self.verdict = Verdict.VIOLATED
        elif number >= ENOUGH and self.quickest < self.span.most:
            self.verdict = Verdict.HOLDS
        elif number == PATIENCE:
            self.verdict = Verdict.VIOLATED

    @property
    def quickest(self) -> float:
        """The shortest time so far (seconds)."""
        return min(self.seen)

    @property
    def median(self) -> float:
        """The time (seconds) that half of them do not exceed."""
        return sorted(self.seen)[(len(self.seen) - 1) // 2]

    def remaining(self) -> int:
        """About how many more requests lead to a verdict."""
        return 0 if self.verdict else math.ceil((ENOUGH - len(self.seen) % ENOUGH) / self.share)

    def forecast(self) -> Forecast:
        """How many requests it will need."""
        from meshtest.judging.distributions import trials_quantile

        p95, most = (trials_quantile(rest, ENOUGH, self.share) for rest in (0.05, 1e-9))
        return Forecast(ENOUGH / self.share, p95, most)

    def suggested_batch(self) -> int:
        """How many requests to send before looking again."""
        return 0 if self.verdict else min(max(self.remaining(), _LEAST_BATCH), _MOST_BATCH)

    @property
    def observed(self) -> str:
        """`the median delay 302ms`."""
        return f"the median {self.span.name} {_rounded(self.median)}" if self.seen else f"no {self.span.name}"

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""
        verdict = self.verdict or Verdict.UNDECIDED
        figures: dict[str, object] = {
            "seconds": self.span.seconds,
            "tolerance": self.span.tolerance,
            "seen": len(self.seen),
            "quickest": self.quickest if self.seen else None,
            "median": self.median if self.seen else None,
        }
        evidence = {"expectation": "time", "of": self.span.name, **figures}
        return Judgement(verdict, self._reason(), self.requests, evidence, self.observed)

    def _reason(self) -> str:
        name, configured = self.span.name, duration(self.span.seconds)
        if self.verdict is None:
            return f"only {len(self.seen)} of {ENOUGH} {name}s have been seen, too few to tell"
        if self.verdict is Verdict.HOLDS:
            return f"the median of {len(self.seen)} {name}s was {_rounded(self.median)}, as configured ({configured})"
        if self.quickest < self.span.most:
            return f"the median of {len(self.seen)} {name}s was {_rounded(self.median)}, shorter than {configured}"
        return f"the quickest of {len(self.seen)} {name}s took {_rounded(self.quickest)} instead of {configured}"


def _rounded(seconds: float) -> str:
    return duration(round(seconds, 3))
