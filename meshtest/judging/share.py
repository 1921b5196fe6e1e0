"""A share of the requests that something happens to, and the rest to which it does not; margins as in `split`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtest.judging.arms import SplitParameters
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.defect import Defect, defects

if TYPE_CHECKING:
    from meshtest.judging.split_test import SplitTest
    from meshtest.resources.edit import Change


@dataclass(frozen=True, kw_only=True)
class Share:
    """`percent` of the requests are of the `arm`, all others of the `rest`; margins are percentage points, as in `split`."""

    percent: float = 100
    within: float = 5
    zero_within: float = 1
    alpha: float = 1e-6
    beta: float = 1e-3

    @property
    def arm(self) -> str:
        """What it happens to."""
        raise NotImplementedError

    @property
    def rest(self) -> str:
        """What it does not happen to."""
        raise NotImplementedError

    @property
    def parameters(self) -> SplitParameters:
        """The shares, checked; ValueError for senseless figures."""
        if not 0 <= self.percent <= 100:
            raise ValueError(f"percent is from 0 to 100, not {self.percent!r}")
        return SplitParameters(self.weights, *self._figures)

    @property
    def weights(self) -> Mapping[str, float]:
        """How many it happens to, and how many not."""
        return {self.arm: self.percent, self.rest: round(100 - self.percent, 9)}

    @property
    def _figures(self) -> tuple[float, float, float, None, float]:
        return (self.within, self.alpha, self.beta, None, self.zero_within)

    def test(self) -> SplitTest:
        """A new test of the shares."""
        from meshtest.judging.split_test import SplitTest

        return SplitTest(self.weights, *self._figures)

    def other_shares(self, change: Callable[[float], Change]) -> list[Control]:
        """Rules with another share; `change` makes the rule's of a percentage."""

        def control(defect: Defect) -> Control:
            return Control(defect.name, (Edit(RULE, change(float(100 * defect.shares[self.arm]))),))

        return [control(each) for each in defects(self.parameters)]

    @property
    def margin(self) -> float:
        """The margin that counts, in percentage points."""
        return self.within if 0 < self.percent < 100 else self.zero_within

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"{self.alpha:g} / {self.beta:g}"


def percentage(percent: float, others: Mapping[str, Any]) -> dict[str, Any]:
    """A field with a percentage as Istio writes it, beside its `others`."""
    return {**others, "percentage": {"value": percent}}
