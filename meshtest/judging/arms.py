"""What is to be tested: the arms of a weighted split, their configured shares and the margins, as exact fractions.

Shares and margins are fractions because what they are compared for must be exact: in floats 0.75 - 0.7 is not 0.05, and
whether an arm's share equals its margin decides which hypotheses there are.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property


@dataclass(frozen=True)
class Arm:
    """One version of a split: ``share`` is its part of the traffic, ``margin`` the smallest deviation that matters (both 0..1)."""

    name: str
    share: Fraction
    margin: Fraction

    @property
    def upper(self) -> Fraction:
        """The defect above: share + margin; 1 or more means that there is none."""
        return self.share + self.margin

    @property
    def lower(self) -> Fraction:
        """The defect below: share - margin, but 0 when the margin alone would let a dead arm pass."""
        return max(self.share - self.margin, Fraction(0))


@dataclass(frozen=True)
class SplitParameters:
    """A split and how it is to be judged: what the user states, checked.

    Units: ``weights`` as in a VirtualService (relative); ``within``, ``zero_within`` and ``slack`` in percentage
    points. ``alpha`` bounds the probability that a right mesh is called VIOLATED, ``beta`` that a mesh wrong by the
    margin or more HOLDS. Raises ValueError for anything that makes no sense.
    """

    weights: Mapping[str, float]
    within: float = 5
    alpha: float = 1e-6
    beta: float = 1e-3
    max_requests: int | None = None
    zero_within: float = 1
    slack: float = 0

    def __post_init__(self) -> None:
        _check_weights(self.weights)
        _check_margins(self.within, self.zero_within, self.slack)
        _check_rates(self.alpha, self.beta)
        _check_limit(self.max_requests)
        for arm in self.arms:
            _check_slack(arm, self.slack_share)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms by ascending share, then name, so that the order in which they were written changes nothing."""
        weights = {name: _fraction(weight) for name, weight in self.weights.items()}
        total = sum(weights.values())
        within, zero_within = _fraction(self.within) / 100, _fraction(self.zero_within) / 100
        arms = (Arm(name, weight / total, within if weight else zero_within) for name, weight in weights.items())
        return tuple(sorted(arms, key=lambda arm: (arm.share, arm.name)))

    @cached_property
    def idle(self) -> int:
        """How many arms have weight 0: they come first in ``arms``, and a single request to one of them is a violation."""
        return sum(arm.share == 0 for arm in self.arms)

    @cached_property
    def slack_share(self) -> Fraction:
        """``slack`` as a fraction of the traffic."""
        return _fraction(self.slack) / 100

    @property
    def two_sided_pair(self) -> bool:
        """Whether exactly two arms get traffic, so that what one gains the other loses."""
        return len(self.arms) - self.idle == 2


def _fraction(number: float) -> Fraction:
    return Fraction(str(number))


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _check_weights(weights: Mapping[str, float]) -> None:
    if not weights:
        raise ValueError('a split needs at least one arm, for example {"v1": 80, "v2": 20}')
    for name, weight in weights.items():
        if not isinstance(name, str):
            raise ValueError(f"an arm is named by a string, such as 'v1'; got {name!r}")
        if not _is_number(weight) or weight < 0:
            raise ValueError(f"the weight of {name!r} must be a finite number of at least 0; it is {weight!r}")
    if not any(weights.values()):
        raise ValueError("all weights are 0: give at least one arm a weight above 0")


def _check_margins(within: float, zero_within: float, slack: float) -> None:
    for name, value in {"within": within, "zero_within": zero_within}.items():
        if not _is_number(value) or not 0 < value < 100:
            raise ValueError(f"{name} is in percentage points and must lie between 0 and 100; it is {value!r}")
    if not _is_number(slack) or not 0 <= slack < within:
        raise ValueError(
            f"slack is in percentage points and must be at least 0 and below within={within!r}; it is {slack!r}"
        )


def _check_rates(alpha: float, beta: float) -> None:
    for name, value in {"alpha": alpha, "beta": beta}.items():
        if not _is_number(value) or not 0 < value < 1:
            raise ValueError(f"{name} is an error rate and must lie between 0 and 1; it is {value!r}")


def _check_limit(max_requests: object) -> None:
    whole = isinstance(max_requests, numbers.Integral) and int(max_requests) >= 1
    if max_requests is not None and not whole:
        raise ValueError(
            f"max_requests must be a whole number of at least 1, or None for no limit; it is {max_requests!r}"
        )


def _check_slack(arm: Arm, slack: Fraction) -> None:
    if 0 < arm.share <= slack:
        raise ValueError(
            f"slack={float(100 * slack):g} would allow {arm.name!r} (a share of {float(100 * arm.share):.3g} %) to get "
            "nothing at all, which is never accepted: choose a slack below the smallest share"
        )
