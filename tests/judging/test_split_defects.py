"""Defects: every mesh that is wrong by the margin, by name, and found out by the test that it belongs to."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from meshtest.judging.arms import SplitParameters
from meshtest.judging.defect import defects, miss_probability
from meshtest.judging.split_test import SplitTest
from meshtest.judging.verdict import Verdict


def test_defects_of_two_arms() -> None:
    """One arm's gain is the other's loss: two meshes, named, with whole weights."""
    found = {defect.name: defect.weights for defect in defects(SplitParameters({"v1": 80, "v2": 20}, within=5))}
    assert found == {
        "v1 at 85 % instead of 80 %": {"v1": 17, "v2": 3},
        "v1 at 75 % instead of 80 %": {"v1": 3, "v2": 1},
    }


def test_defects_of_three_arms() -> None:
    """Up and down for each arm, the rest in proportion, dead where the margin reaches zero."""
    found = {defect.name: defect.weights for defect in defects(SplitParameters({"v1": 80, "v2": 15, "v3": 5}))}
    assert len(found) == 6
    assert found["v2 at 20 % instead of 15 %"] == {"v1": 64, "v2": 17, "v3": 4}
    assert found["v3 dead: 0 % instead of 5 %"] == {"v1": 16, "v2": 3, "v3": 0}


def test_defects_of_idle_and_lone_arms() -> None:
    """An arm of weight 0 gets a leak of its own margin; a lone arm loses traffic to nobody that has a name."""
    (leak,) = defects(SplitParameters({"v1": 100, "v2": 0}, zero_within=2))
    assert (leak.name, leak.weights) == ("v2 at 2 % instead of 0 %", {"v1": 49, "v2": 1})
    (lone,) = defects(SplitParameters({"v1": 1}, within=5))
    assert (lone.name, lone.astray) == ("v1 at 95 % instead of 100 %", Fraction(1, 20))


@pytest.mark.parametrize("weights", [{"a": 80, "b": 15, "c": 5}, {"a": 1, "b": 1, "c": 1}, {"a": 90, "b": 10, "c": 0}])
def test_defects_are_wrong_by_exactly_the_margin(weights: dict[str, int]) -> None:
    """In each defect some arm is off by its margin or dead, no share is negative, and together they are everything."""
    parameters = SplitParameters(weights, within=4.5, zero_within=0.5)
    for defect in defects(parameters):
        shares = {arm.name: defect.shares[arm.name] for arm in parameters.arms}
        wrong = [
            arm
            for arm in parameters.arms
            if shares[arm.name] in (arm.lower, arm.upper) and arm.share != shares[arm.name]
        ]
        assert wrong
        assert min(shares.values()) >= 0
        assert defect.astray == 0
        total = sum(defect.weights.values())
        assert {name: Fraction(weight, total) for name, weight in defect.weights.items()} == defect.shares


@pytest.mark.parametrize("weights", [{"v1": 80, "v2": 20}, {"v1": 90, "v2": 10, "v3": 0}, {"v1": 99, "v2": 1}])
def test_a_defect_at_a_tiny_beta_is_never_missed(weights: dict[str, int]) -> None:
    """With beta = 1e-6 the exact probability of missing any defect is below that."""
    test = SplitTest(weights, within=10, beta=1e-6)
    assert all(miss_probability(test.boundaries, defect) <= 1e-6 for defect in defects(test.parameters))


@pytest.mark.parametrize(
    "weights", [{"a": 80, "b": 15, "c": 5}, {"a": 34, "b": 33, "c": 33}, {"a": 1, "b": 1, "c": 1, "d": 0}]
)
def test_defects_are_violated(weights: dict[str, int]) -> None:
    """Seeded traffic of each defect of three arms is VIOLATED at a miss rate of 1e-6."""
    parameters = SplitParameters(weights, beta=1e-6)
    random = np.random.default_rng(20)
    for defect in defects(parameters):
        test = SplitTest(weights, beta=1e-6)
        names, shares = list(defect.shares), [float(share) for share in defect.shares.values()]
        drawn = random.choice(len(names), size=test.forecast().cap, p=shares)
        assert test.observe_many(names[i] for i in drawn) is Verdict.VIOLATED, defect.name
