"""The expectation of a weighted split over versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from meshtest.judging.answers import Reading
from meshtest.judging.arms import SplitParameters
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable
from meshtest.judging.sequential import SharesTrial
from meshtest.resources.edit import Reweighted


@dataclass(frozen=True)
class Split(Composable):
    """Each version gets its share; see `SplitTest` for the fields."""

    weights: Mapping[str, float]
    within: float = 5
    alpha: float = 1e-6
    beta: float = 1e-3
    max_requests: int | None = None
    zero_within: float = 1
    slack: float = 0

    causes = False

    def reading(self, version: Reading) -> Reading:
        """The version."""
        return version

    def begin(self) -> SharesTrial:
        """A new trial; ValueError for senseless figures."""
        from meshtest.judging.split_test import SplitTest

        return SharesTrial(SplitTest(self.weights, *self._figures))

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
        """Meshes whose weights are wrong by exactly the margin, which must come out VIOLATED."""
        from meshtest.judging.defect import defects

        return tuple(
            Control(each.name, (Edit(RULE, Reweighted(each.weights)),), each.arms) for each in defects(self.parameters)
        )

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
