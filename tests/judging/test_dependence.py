"""The diagnostics: silent on independent requests, and each warns of what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from meshtest.judging.diagnostics import dependence_warnings, drift_p_value, log_markov_e_value, runs_p_value
from meshtest.judging.split_test import SplitTest
from meshtest.judging.verdict import Verdict

SHARES = (0.05, 0.15, 0.8)


def independent(n: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).choice(3, size=n, p=SHARES).astype(np.int32)


def test_independent_requests_raise_no_warning() -> None:
    """Requests routed one by one with the right shares are unremarkable."""
    assert dependence_warnings(independent(3000), SHARES) == []


@pytest.mark.parametrize("codes", [[], [2], [2, 2], [0, 1, 2]])
def test_short_sequences_raise_no_warning(codes: list[int]) -> None:
    """A handful of answers says nothing, and nothing divides by zero."""
    assert dependence_warnings(np.array(codes, np.int32), SHARES) == []


def test_sticky_requests_are_noticed() -> None:
    """Every second request repeating the one before: the Markov e-value and the runs test both say so."""
    drawn, random = independent(1500), np.random.default_rng(4)
    for i in np.flatnonzero(random.random(1500) < 0.5):
        drawn[i] = drawn[max(i - 1, 0)]
    warnings = dependence_warnings(drawn, SHARES)
    assert any("repeats too often" in warning for warning in warnings)
    assert any("number of runs" in warning for warning in warnings)


def test_round_robin_is_noticed() -> None:
    """Strict alternation is too regular for independent requests, though its shares are perfect."""
    codes = np.resize(np.array([0, 1], np.int32), 200)
    warnings = dependence_warnings(codes, (0.5, 0.5))
    assert any("too regularly" in warning for warning in warnings)
    assert runs_p_value(codes) < 1e-10


def test_one_arm_only_is_not_called_independent_routing_gone_wrong() -> None:
    """When a single arm answered, stickiness cannot be told from dead other arms, and the warning says that."""
    (warning,) = dependence_warnings(np.full(100, 2, np.int32), SHARES)
    assert "same arm" in warning


def test_a_change_is_located() -> None:
    """Shares that change half-way are noticed, near the request where it happened."""
    before = np.random.default_rng(5).choice(2, size=600, p=[0.2, 0.8])
    after = np.random.default_rng(6).choice(2, size=600, p=[0.4, 0.6])
    p, index = drift_p_value(np.concatenate([before, after]).astype(np.int32))
    assert p < 1e-6
    assert 540 <= index <= 660


def test_markov_e_value_by_hand() -> None:
    """For two answers the e-value is the mean of the mixture's probabilities over the independent one."""
    rho = np.array([-0.5, -0.2, 0.05, 0.1, 0.2, 0.4, 0.8, 0.95])
    same, _ = log_markov_e_value(np.array([1, 1], np.int32), (0.5, 0.5))
    assert same == pytest.approx(np.log(np.mean(((1 - rho) * 0.5 + rho) / 0.5)))
    other, _ = log_markov_e_value(np.array([0, 1], np.int32), (0.5, 0.5))
    assert other == pytest.approx(np.log(np.mean(1 - rho)))


def test_markov_e_value_has_expectation_one() -> None:
    """Over all sequences of independent requests its mean is 1, whatever the shares: Markov's inequality applies."""
    for shares in [(0.5, 0.5), (0.05, 0.95), (0.05, 0.15, 0.8)]:
        total = 0.0
        for index in np.ndindex(*(len(shares),) * 5):
            codes = np.array(index, np.int32)
            total += float(np.prod(np.array(shares)[codes])) * np.exp(log_markov_e_value(codes, shares)[0])
        assert total == pytest.approx(1)


def test_warnings_explain_a_violation_but_never_make_one() -> None:
    """In a violated split they are part of the reason; a split that holds keeps them in the evidence."""
    sticky = SplitTest({"v1": 50, "v2": 50})
    assert sticky.observe_many((["v1"] * 60 + ["v2"] * 30) * 20) is Verdict.VIOLATED
    assert "same arm" in sticky.judgement().reason
    regular = SplitTest({"v1": 50, "v2": 50})
    assert regular.observe_many(["v1", "v2"] * 3000) is Verdict.HOLDS
    assert any("too regularly" in str(warning) for warning in regular.judgement().evidence["warnings"])  # type: ignore[attr-defined]
    assert "too regularly" not in regular.judgement().reason


def test_wrong_shares_are_no_stickiness() -> None:
    """Independent requests with shares that are far off are not called dependent."""
    rng = np.random.default_rng(20240711)
    called = 0
    for _ in range(200):
        test = SplitTest({"v1": 50, "v2": 50})
        test.observe_many(["v1" if hit else "v2" for hit in rng.random(400) < 0.8])
        assert test.verdict is Verdict.VIOLATED
        called += any("not independent" in warning for warning in test.diagnose())
    assert called <= 12  # each level is 1 % at the most: 12 or more of 200 have a probability below 1e-6
