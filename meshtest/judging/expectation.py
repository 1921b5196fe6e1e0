"""What must hold, as values that read as English; and judging a sample by them.

Judging knows nothing of meshes or traffic: a sample is anything that says which version gave each answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from meshtest.judging.arms import SplitParameters
from meshtest.judging.verdict import Forecast, Judgement, Verdict

if TYPE_CHECKING:  # scipy is loaded when a trial begins, not when an expectation is written down
    from meshtest.judging.control import Control
    from meshtest.judging.split_test import SplitTest


class Answers(Protocol):
    """What judging looks at in a sample."""

    @property
    def answered(self) -> Sequence[str | None]:
        """The version that gave each answer, in the order of sending; None for an answer without a version."""


class Trial(Protocol):
    """An expectation on its way to a verdict."""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while there is none."""

    @property
    def requests(self) -> int:
        """How many answers counted so far."""

    def remaining(self) -> int:
        """About how many more requests lead to HOLDS on a right mesh; 0 once there is a verdict."""

    def forecast(self) -> Forecast:
        """How many requests it will need."""

    def suggested_batch(self) -> int:
        """How many requests to send before looking again."""

    def take(self, answers: Answers) -> Verdict | None:
        """Look at more answers; the verdict, None while there is none."""

    def observed(self) -> Mapping[str | None, int]:
        """Answers so far by version."""

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""


class Expectation(Protocol):
    """What must hold. `str` of it completes the sentence "the traffic must be ..."."""

    @property
    def configured(self) -> str:
        """The configured figures in short, for a table."""

    @property
    def error_rates(self) -> str:
        """The stated probabilities of a wrong verdict, for a table."""

    def begin(self) -> Trial:
        """A new trial of it."""

    def strict(self) -> Expectation:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""

    def controls(self) -> Sequence[Control]:
        """Meshes that are wrong by exactly the stated margin."""


class SplitTrial:
    """A split on its way to a verdict."""

    def __init__(self, test: SplitTest) -> None:
        self.test = test

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
        return self.test.observe_many(answers.answered)

    def observed(self) -> Mapping[str | None, int]:
        """Answers so far by version."""
        return self.test.counts

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""
        return self.test.judgement()


@dataclass(frozen=True)
class Split:
    """Each version gets its share; see `SplitTest` for the fields."""

    weights: Mapping[str, float]
    within: float = 5
    alpha: float = 1e-6
    beta: float = 1e-3
    max_requests: int | None = None
    zero_within: float = 1
    slack: float = 0

    def begin(self) -> SplitTrial:
        """A new trial; ValueError for senseless figures."""
        from meshtest.judging.split_test import SplitTest

        return SplitTrial(SplitTest(self.weights, *self._figures))

    @property
    def parameters(self) -> SplitParameters:
        """The figures, checked; ValueError for senseless ones."""
        return SplitParameters(dict(self.weights), *self._figures)

    @property
    def _figures(self) -> tuple[float, float, float, int | None, float, float]:
        return (self.within, self.alpha, self.beta, self.max_requests, self.zero_within, self.slack)

    def strict(self) -> Split:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6, max_requests=None)

    def controls(self) -> tuple[Control, ...]:
        """Meshes that are wrong by exactly the margin, which must come out VIOLATED."""
        from meshtest.judging.control import controls

        return controls(self.parameters)

    @property
    def configured(self) -> str:
        """`v1 80 %, v2 20 %`."""
        total = sum(self.weights.values())
        return ", ".join(f"{name} {100 * weight / total:.4g} %" for name, weight in self.weights.items())

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"{self.alpha:g} / {self.beta:g}"

    def __str__(self) -> str:
        return f"split {self.configured} (within {self.within:g} points)"


def split(
    weights: Mapping[str, float] | None = None,
    /,
    *,
    within: float = 5,
    alpha: float = 1e-6,
    beta: float = 1e-3,
    max_requests: int | None = None,
    zero_within: float = 1,
    slack: float = 0,
    **arms: float,
) -> Split:
    """A split over versions: `split(v1=80, v2=20)`, or `split({"v1": 80, "2024-01": 20})` for names that are no words.

    Weights are relative, as in a VirtualService; `within`, `zero_within` (for weight 0) and `slack` are percentage points. `alpha` bounds
    the probability of VIOLATED for a right mesh, `beta` that of HOLDS for one in which a share is off by the margin or more.
    """
    made = Split({**(weights or {}), **arms}, within, alpha, beta, max_requests, zero_within, slack)
    _ = made.parameters  # senseless figures are said where they are written
    return made


def judge(answers: Answers, expectation: Expectation) -> Judgement:
    """The judgement on a sample that was taken before; UNDECIDED if it is too small to tell."""
    trial = expectation.begin()
    trial.take(answers)
    return trial.judgement()
