"""Trials by the sequential test of shares: each answer is sorted into an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from meshtest.judging.answers import Answer, Answers
from meshtest.judging.verdict import Forecast, Judgement, Verdict

if TYPE_CHECKING:  # scipy is loaded when a trial begins, not when an expectation is written down
    from meshtest.judging.split_test import SplitTest

Sorting = Callable[[Answer], str | None]
"""Sorts an answer into an arm; None, or an arm that is not configured, is a violation."""


class SharesTrial:
    """Whether each arm gets its share. Without a `sorting` the arm is what was read from the answer: its version."""

    def __init__(self, test: SplitTest, sorting: Sorting | None = None) -> None:
        self.test = test
        self._sorting = sorting

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while there is none."""
        return self.test.verdict

    @property
    def requests(self) -> int:
        """How many answers counted so far."""
        return self.test.requests

    def remaining(self) -> int:
        """About how many more requests lead to HOLDS on a right mesh; 0 once there is a verdict."""
        return self.test.remaining()

    def forecast(self) -> Forecast:
        """How many requests it will need."""
        return self.test.forecast()

    def suggested_batch(self) -> int:
        """How many requests to send before looking again."""
        return self.test.suggested_batch()

    def take(self, answers: Answers) -> Verdict | None:
        """Look at more answers; the verdict, None while there is none."""
        return self.test.observe_many(self._arms(answers))

    def _arms(self, answers: Answers) -> Iterable[str | None]:
        return answers.answered if self._sorting is None else map(self._sorting, answers.answers())

    @property
    def counts(self) -> Mapping[str | None, int]:
        """Answers so far by arm."""
        return self.test.counts

    @property
    def observed(self) -> str:
        """`v1 79.9 %, v2 20.1 %`."""
        total = self.requests or 1
        return ", ".join(f"{name or 'no version'} {100 * count / total:.1f} %" for name, count in self.counts.items())

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""
        return replace(self.test.judgement(), observed=self.observed)


class EveryTrial(SharesTrial):
    """Whether every answer is as stated: a share of 100 %, in which the first one that is not decides.

    `sorting` gives `stated` for an answer that is as stated, and says in a few words what came instead for one that is not.
    """

    def __init__(self, test: SplitTest, sorting: Sorting, stated: str) -> None:
        super().__init__(test, sorting)
        self._stated = stated

    @property
    def observed(self) -> str:
        """`all`, or what came instead."""
        wrong = [name for name, count in self.counts.items() if name != self._stated and count]
        return ", ".join(name or "something else" for name in wrong) or ("all" if self.requests else "nothing yet")

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""
        found = super().judgement()
        return replace(
            found, reason=self._reason(), evidence={**found.evidence, "expectation": "every", "sorted_by": "answer"}
        )

    def _reason(self) -> str:
        within, beta = self.test.parameters.within, self.test.parameters.beta
        if self.verdict is Verdict.VIOLATED:
            return f"request {self.requests} got {self.observed} instead of {self._stated}"
        if self.verdict is None or self.verdict is Verdict.UNDECIDED:
            more = f"about {self.remaining()} more would decide" if self.verdict is None else self.forecast().remedy
            return f"{self.requests} answers were all {self._stated}, too few to tell: {more}"
        miss = f"a mesh in which {within:g} % or more are not gets here with a probability of {beta:g} at the most"
        return f"all {self.requests} answers were {self._stated}; {miss}"
