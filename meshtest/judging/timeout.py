"""The expectation that requests run into a timeout: of the route, or of each try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshtest.judging.answers import Answer, Reading
from meshtest.judging.composition import AllTrial
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable, Trial
from meshtest.judging.quickest import QuickestTrial, Span, duration, tolerance_of
from meshtest.judging.sequential import EveryTrial
from meshtest.resources.edit import Put

ROUTE, TRY = "response_timeout", "upstream_per_try_timeout"
"""Envoy's response code details (envoy/stream_info/stream_info.h)."""


@dataclass(frozen=True, kw_only=True)
class TimedOut(Composable):
    """Every answer is a 504 that a timeout made (UT), after its time; `within` is in percentage points.

    With `attempts` the timeout is that of each try, and all of them run into it.
    """

    after: Span
    attempts: int | None = None
    within: float = 1
    beta: float = 1e-3

    causes = True

    def reading(self, version: Reading) -> Reading:
        """The version; nothing is read from the answer."""
        return version

    @property
    def _stated(self) -> str:
        return f"504 UT {ROUTE if self.attempts is None else TRY}"

    @property
    def _whole(self) -> Span:
        """What all tries take; Envoy's pauses between them begin at 0 (a random part of 25 ms and more)."""
        return replace(self.after, seconds=self.after.seconds * (self.attempts or 1))

    def begin(self) -> Trial:
        """A new trial; ValueError for senseless figures."""
        from meshtest.judging.split_test import SplitTest

        test = SplitTest({self._stated: 100}, self.within, beta=self.beta)
        return AllTrial([EveryTrial(test, self._sort, self._stated), QuickestTrial(self._whole, _duration)])

    def _sort(self, answer: Answer) -> str:
        cause = answer.cause
        if cause is None:
            return f"{answer.status} (the proxy's log says nothing of it)"
        right = answer.status == 504 and "UT" in cause.flags
        details = ROUTE if self.attempts is None else TRY
        if right and cause.details == details and self.attempts in (None, cause.attempts):
            return self._stated
        tries = "" if self.attempts is None else f" ({cause.attempts} attempts)"
        return f"{answer.status} {','.join(cause.flags) or '-'} {cause.details or '-'}{tries}"

    def strict(self) -> TimedOut:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> Sequence[Control]:
        """Rules whose timeout is longer or shorter by the tolerance."""
        field = ("timeout",) if self.attempts is None else ("retries", "perTryTimeout")
        tolerance = round(self.after.tolerance / (self.attempts or 1), 3)  # Istio takes whole milliseconds
        found = []
        for seconds in (max(self.after.seconds - tolerance, 0.001), self.after.seconds + tolerance):
            name = f"a timeout of {duration(seconds)} instead of {duration(self.after.seconds)}"
            found.append(Control(name, (Edit(RULE, Put(field, duration(seconds))),)))
        return found

    @property
    def configured(self) -> str:
        """`504 UT response_timeout after 300ms`."""
        tries = "" if self.attempts is None else f" in each of {self.attempts} tries"
        return f"{self._stated} after {duration(self.after.seconds)}{tries}"

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"0 / {self.beta:g}"

    def __str__(self) -> str:
        return f"answered {self.configured} (but for less than {self.within:g} %)"


def _duration(answer: Answer) -> float | None:
    return answer.cause.duration if answer.cause is not None else None


def timed_out(
    after: float,
    *,
    attempts: int | None = None,
    tolerance: float | None = None,
    within: float = 1,
    beta: float = 1e-3,
) -> TimedOut:
    """Every request runs into the timeout of its route `after` so many seconds; with `attempts` into that of each of so many tries.

    `tolerance` (seconds) is that of `delayed`: a slow machine does not matter. `within` is in percentage points. Requests that wait keep
    their connections busy: give `expect` more `connections`.
    """
    if attempts is not None and attempts < 1:
        raise ValueError(f"attempts are at least 1, or None for the timeout of the route, not {attempts!r}")
    span = Span("answer", after, tolerance_of(after) if tolerance is None else tolerance)
    made = TimedOut(after=span, attempts=attempts, within=within, beta=beta)
    made.begin()  # senseless figures are said where they are written
    return made
