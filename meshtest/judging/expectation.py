"""What must hold, as values that read as English; and judging a sample by them.

Judging knows nothing of meshes or traffic: a sample is anything that has answers in the order of sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from meshtest.judging.answers import Answers, Reading
from meshtest.judging.control import Control
from meshtest.judging.verdict import Forecast, Judgement, Verdict

if TYPE_CHECKING:
    from meshtest.judging.composition import All


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

    @property
    def observed(self) -> str:
        """What came so far in short, for a table."""

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""


class Expectation(Protocol):
    """What must hold of the answers to one request. `str` of it completes the sentence "the traffic must be ..."."""

    @property
    def configured(self) -> str:
        """The configured figures in short, for a table."""

    @property
    def error_rates(self) -> str:
        """The stated probabilities of a wrong verdict, for a table."""

    @property
    def causes(self) -> bool:
        """Whether it looks at what the first proxy says of each request."""

    def reading(self, version: Reading) -> Reading:
        """What is to be read from each answer; `version` reads which version gave it."""

    def begin(self) -> Trial:
        """A new trial of it."""

    def strict(self) -> Expectation:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""

    def controls(self) -> Sequence[Control]:
        """Meshes that are wrong by exactly the stated margin."""


class Composable:
    """An expectation that can be demanded together with others, of the same answers."""

    def __and__(self, other: Expectation) -> All:
        """Both: `split(v1=80, v2=20) & answered(200)`."""
        from meshtest.judging.composition import both

        return both(cast("Expectation", self), other)


def judge(answers: Answers, expectation: Expectation) -> Judgement:
    """The judgement on a sample that was taken before; UNDECIDED if it is too small to tell."""
    trial = expectation.begin()
    trial.take(answers)
    return trial.judgement()
