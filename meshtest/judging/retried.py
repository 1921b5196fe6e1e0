"""The expectation that requests are tried again upstream: so many times, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtest.judging.answers import Answer, Reading
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable
from meshtest.judging.sequential import EveryTrial
from meshtest.judging.spoiled import Spoiled
from meshtest.resources.edit import Put

EXHAUSTED = "URX"
"""Envoy's response flag of a request whose retries are used up (envoy/stream_info/stream_info.h)."""


@dataclass(frozen=True, kw_only=True)
class Retried(Composable):
    """Every request is sent upstream once and `times` more, and then answered `status`; `within` is in percentage points.

    With an error and `times` of 1 or more the retries are used up (URX); otherwise they are not.
    """

    times: int
    status: int
    within: float = 1
    beta: float = 1e-3

    causes = True

    def reading(self, version: Reading) -> Reading:
        """The version; nothing is read from the answer."""
        return version

    def begin(self) -> EveryTrial:
        """A new trial; ValueError for senseless figures."""
        from meshtest.judging.split_test import SplitTest

        test = SplitTest({self.configured: 100}, self.within, beta=self.beta)
        return EveryTrial(test, self._sort, self.configured)

    @property
    def _exhausted(self) -> bool:
        return self.times > 0 and self.status >= 400

    def _sort(self, answer: Answer) -> str:
        cause = answer.cause
        if cause is None:
            return f"{answer.status} (the proxy's log says nothing of it)"
        right = answer.status == self.status and cause.attempts == self.times + 1
        if right and (EXHAUSTED in cause.flags) == self._exhausted:
            return self.configured
        return f"{answer.status} {','.join(cause.flags) or '-'} {cause.details or '-'} ({cause.attempts or 0} attempts)"

    def strict(self) -> Retried:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> list[Control]:
        """Rules that retry once more or less often, and one that leaves out `within` of the requests."""
        found = [self._otherwise(times) for times in self._others()]
        return [
            *found,
            Control(f"{self.within:g} % aborted by a fault", (Edit(RULE, Spoiled(self.status, self.within)),)),
        ]

    def _others(self) -> Iterator[int]:
        if self.times:
            yield self.times - 1
        if self.status >= 400:  # what has succeeded is not tried again
            yield self.times + 1

    def _otherwise(self, times: int) -> Control:
        return Control(f"retried {_often(times)} instead of {_often(self.times)}", (Edit(RULE, _Retries(times, self)),))

    @property
    def configured(self) -> str:
        """`503 URX after 2 retries`."""
        flag = f" {EXHAUSTED}" if self._exhausted else ""
        return f"{self.status}{flag} after {_retries(self.times)}"

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"0 / {self.beta:g}"

    def __str__(self) -> str:
        return f"answered {self.configured} (but for less than {self.within:g} %)"


@dataclass(frozen=True)
class _Retries:
    """A rule retries so many times; one that says nothing of when does so for the status, too."""

    times: int
    expected: Retried

    def __call__(self, rule: Mapping[str, Any]) -> Any:
        if not self.times:
            return Put(("retries",), {"attempts": 0})(rule)
        retries: Mapping[str, Any] = rule.get("retries") or {}
        where = retries.get("retryOn") or ""
        if not self.expected.times:  # what it retries on leaves this status out
            where = ",".join(filter(None, [where, str(self.expected.status)]))
        changed = {**retries, "attempts": self.times, **({"retryOn": where} if where else {})}
        return Put(("retries",), changed)(rule)


def _often(times: int) -> str:
    return "once" if times == 1 else f"{times} times" if times else "never"


def _retries(times: int) -> str:
    return "1 retry" if times == 1 else f"{times or 'no'} retries"


def retried(times: int, *, status: int, within: float = 1, beta: float = 1e-3) -> Retried:
    """Every request is tried again `times` times, no more and no less, and then answered `status`: `retried(2, status=503)`.

    `retried(0, status=503)` says that this answer is not a reason to retry. `within` (percentage points) is how many requests may be
    treated otherwise before it matters. ValueError for what makes no sense.
    """
    if times < 0:
        raise ValueError(f"a request is retried 0 times or more, not {times!r}")
    if not 200 <= status <= 599:
        raise ValueError(f"the status of an answer is from 200 to 599, not {status!r}")
    made = Retried(times=times, status=status, within=within, beta=beta)
    made.begin()  # senseless figures are said where they are written
    return made
