"""Defects: splits that are wrong by exactly the stated margin, which a test must call VIOLATED.

An expectation is only worth something if it fails on a mesh that is wrong. Every way in which a split can be off by its
margin is a defect; made with ``beta=1e-6``, a test misses one with that probability at the most, so that a defect
with it never flakes either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from meshtest.judging.arms import Arm, SplitParameters
from meshtest.judging.boundaries import Boundaries
from meshtest.judging.exact import exact

__all__ = ["Defect", "defects", "exact", "miss_probability"]


@dataclass(frozen=True)
class Defect:
    """A wrong mesh: ``name`` says how it is wrong, ``shares`` what each arm gets (0..1, exact, in the order of the weights).

    ``astray`` is the share that goes to no configured arm: positive only for an arm that should get everything and is
    alone.
    """

    name: str
    shares: Mapping[str, Fraction]

    @property
    def astray(self) -> Fraction:
        """What the shares lack to 1."""
        return 1 - sum(self.shares.values(), Fraction(0))

    @property
    def arms(self) -> frozenset[str] | None:
        """The arms that get something; None if something goes astray."""
        return None if self.astray else frozenset(name for name, share in self.shares.items() if share)

    @property
    def weights(self) -> dict[str, int]:
        """The shares as whole relative weights, as a VirtualService wants them."""
        denominator = math.lcm(*(share.denominator for share in self.shares.values()))
        whole = {name: int(share * denominator) for name, share in self.shares.items()}
        divisor = math.gcd(*whole.values())
        return {name: weight // divisor for name, weight in whole.items()}


def defects(parameters: SplitParameters) -> tuple[Defect, ...]:
    """Every arm moved up and down by its margin, the rest scaled in proportion: the meshes that are the hardest to find out.

    An arm whose share is its margin or less is dead in one of them; arms of weight 0 get a leak. Of two arms, one's
    gain is the other's loss, so that each mesh appears once.
    """
    found: list[Defect] = []
    by_name = {arm.name: arm for arm in parameters.arms}
    for arm in (by_name[name] for name in parameters.weights):
        for defect in _moved(parameters, arm):
            if all(defect.shares != other.shares for other in found):
                found.append(defect)
    return tuple(found)


def miss_probability(boundaries: Boundaries, defect: Defect) -> float:
    """The exact probability that the test says HOLDS of this defect; for splits with two arms of positive weight."""
    small, large = (float(defect.shares[arm.name]) for arm in boundaries.parameters.arms[-2:])
    return exact(boundaries, (small, large)).holds


def _moved(parameters: SplitParameters, arm: Arm) -> Iterator[Defect]:
    alone = len(parameters.arms) == 1
    if arm.share < 1 and arm.upper < 1:
        yield _defect(parameters, arm, arm.upper)
    if 0 < arm.share < 1 or alone:
        yield _defect(parameters, arm, arm.lower)


def _defect(parameters: SplitParameters, arm: Arm, share: Fraction) -> Defect:
    """``arm`` at ``share`` and all others in their proportions."""
    others = {other.name: other.share for other in parameters.arms if other != arm}
    rest = sum(others.values(), Fraction(0))
    shares = {name: (1 - share) * part / rest if rest else part for name, part in others.items()} | {arm.name: share}
    got = f"{_percent(share)} instead of {_percent(arm.share)}"
    name = f"{arm.name} at {got}" if share else f"{arm.name} dead: {got}"
    return Defect(name, {key: shares[key] for key in parameters.weights})


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):.4g} %"
