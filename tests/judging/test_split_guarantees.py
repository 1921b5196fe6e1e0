"""The stated error rates, proved: exactly for two arms, exactly for three small ones, and the exact calculation
against brute force."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from meshtest.judging.arms import SplitParameters
from meshtest.judging.boundaries import Boundaries, boundaries
from meshtest.judging.defect import defects, miss_probability
from meshtest.judging.distributions import Floats
from meshtest.judging.exact import exact
from meshtest.judging.verdict import Verdict
from meshtest.judging.walk import Walk

SECTION_4 = [
    # split, margin, alpha, eps, cap, false alarm, miss above, miss below, E[N] right, 95 %, E[N] at the upper defect
    ((50, 50), 10, 1e-3, 0.10, 1375, 8.50e-4, 8.65e-4, 8.65e-4, 475, 777, 400),
    ((90, 10), 5, 1e-3, 0.05, 2314, 8.45e-4, 9.10e-4, 7.31e-4, 717, 1250, 659),
    ((90, 10), 5, 1e-6, 0.05, 3346, 8.53e-7, 9.38e-4, 7.17e-4, 718, 1250, 1229),
    ((99, 1), 2, 1e-3, 0.00, 2420, 7.72e-4, 9.53e-4, 0.0, 764, 1386, 623),
]


def two_arms(weights: tuple[int, int], within: float, **rates: float) -> Boundaries:
    return boundaries(SplitParameters({"v1": weights[0], "v2": weights[1]}, within, **rates))  # type: ignore[arg-type]


@pytest.mark.parametrize("row", SECTION_4, ids=lambda row: f"{row[0][0]}-{row[0][1]} within {row[1]} alpha {row[2]:g}")
def test_exact_figures_of_the_method(row: tuple[tuple[int, int], float, *tuple[float, ...]]) -> None:
    """Shift, cap, error rates and expected lengths are those of the method's exact table."""
    weights, within, alpha, eps, cap, false_alarm, miss_above, miss_below, mean, p95, wrong_mean = row
    test, p, delta = two_arms(weights, within, alpha=alpha), weights[1] / 100, within / 100
    right, above, below = (exact(test, (q, 1 - q)) for q in (p, p + delta, max(p - delta, 0.0)))
    assert (test.eps, test.cap) == (eps, cap)
    assert right.violated == pytest.approx(false_alarm, rel=2e-3)
    assert above.holds == pytest.approx(miss_above, rel=2e-3)
    assert below.holds == pytest.approx(miss_below, rel=2e-3)
    assert (round(right.mean), right.quantile(0.95), round(above.mean)) == (mean, p95, wrong_mean)


@pytest.mark.parametrize(
    ("weights", "within", "rates"),
    [
        ({"v1": 50, "v2": 50}, 10, {}),
        ({"v1": 80, "v2": 20}, 10, {"beta": 1e-6}),
        ({"v1": 80, "v2": 20}, 10, {"slack": 2}),
        ({"v1": 99, "v2": 1}, 5, {}),
        ({"v1": 95, "v2": 5}, 5, {}),
        ({"v1": 60, "v2": 40}, 60, {"alpha": 0.01, "beta": 0.01}),
        ({"v1": 50, "v2": 50}, 55, {"alpha": 0.01, "beta": 0.01}),
        ({"v1": 90, "v2": 10, "v3": 0}, 10, {}),
        ({"v1": 1, "v2": 2}, 15, {"beta": 1e-12}),
    ],
)
def test_two_arms_keep_their_error_rates(weights: dict[str, int], within: float, rates: dict[str, float]) -> None:
    """False alarms stay below alpha and every defect's miss below beta; nothing is lost between the verdicts."""
    test = boundaries(SplitParameters(weights, within, **rates))  # type: ignore[arg-type]
    small, large = (float(arm.share) for arm in test.parameters.arms[-2:])
    right = exact(test, (small, large))
    assert right.violated <= test.parameters.alpha
    assert right.holds + right.violated == pytest.approx(1, abs=1e-9)
    misses = [miss_probability(test, defect) for defect in defects(test.parameters)]
    assert max(misses) <= test.parameters.beta
    assert max(misses) > test.parameters.beta / 100 or within > 50


def test_slack_tolerates_a_harmless_deviation() -> None:
    """With slack, a mesh off by as much keeps the false alarm rate, in both directions; without, it does not."""
    strict, lenient = two_arms((80, 20), 10), two_arms((80, 20), 10, slack=2)
    for share in (0.18, 0.22):
        assert exact(lenient, (share, 1 - share)).violated <= 1e-6
        assert exact(strict, (share, 1 - share)).violated > 1e-5
    assert lenient.cap > strict.cap


def test_beyond_the_margin_misses_only_get_rarer() -> None:
    """The margin is the worst case: the miss probability falls with the deviation, whichever way."""
    test = two_arms((80, 20), 10)
    for direction in (+1, -1):
        misses = [exact(test, (0.2 + direction * d, 0.8 - direction * d)).holds for d in (0.10, 0.12, 0.15, 0.2)]
        assert misses == sorted(misses, reverse=True)
        assert misses[0] <= 1e-3


def test_a_leak_does_not_help_a_wrong_pair_to_pass() -> None:
    """Dropping the larger arm's hypotheses is exact beside an idle arm: what leaks there ends the test."""
    test = boundaries(SplitParameters({"v1": 80, "v2": 20, "v3": 0}, 10))
    for leak in (0.0, 1e-4, 1e-3, 1e-2):
        assert exact(test, (0.3 - leak, 0.7)).holds <= 1e-3
        assert exact(test, (0.2, 0.7 - leak)).holds <= 1e-3


@pytest.mark.parametrize(
    ("weights", "within", "max_requests", "shares"),
    [
        ({"a": 1, "b": 1}, 45, None, (0.4, 0.6)),
        ({"a": 3, "b": 1}, 40, 11, (0.3, 0.7)),
        ({"a": 3, "b": 1}, 24, 9, (0.3, 0.7)),
        ({"a": 1, "b": 1}, 80, None, (0.3, 0.7)),
        ({"a": 3, "b": 1, "z": 0}, 40, 9, (0.3, 0.6)),
        ({"a": 1, "b": 1, "z": 0}, 45, None, (0.45, 0.5)),
    ],
)
def test_exact_calculation_equals_enumeration(
    weights: dict[str, int], within: float, max_requests: int | None, shares: tuple[float, float]
) -> None:
    """For tiny tests, walking every possible sequence of answers gives the same probabilities as the calculation."""
    parameters = SplitParameters(weights, within, alpha=0.3, beta=0.3, zero_within=20, max_requests=max_requests)
    test = boundaries(parameters)
    assert test.stop <= 14
    small = len(parameters.arms) - 2
    chances = {code: p for code, p in {small: shares[0], small + 1: shares[1], -1: 1 - sum(shares)}.items() if p > 1e-9}
    total, mean = dict.fromkeys(Verdict, 0.0), 0.0
    open_sequences: list[list[int]] = [[]]
    while open_sequences:
        extended = [[*before, code] for before, code in itertools.product(open_sequences, chances)]
        open_sequences = []
        for sequence in extended:
            walk = Walk(test)
            walk.advance(np.array(sequence, np.int32))
            if walk.verdict is None:
                open_sequences.append(sequence)
            else:
                chance = math.prod(chances[code] for code in sequence)
                total[walk.verdict] += chance
                mean += chance * len(sequence)
    result = exact(test, shares)
    assert (result.holds, result.violated, result.undecided) == pytest.approx(tuple(total.values()), abs=1e-12)
    assert result.mean == pytest.approx(mean, abs=1e-9)


def test_exact_calculation_is_for_two_arms() -> None:
    """Other numbers of arms are refused with a sentence that says so."""
    with pytest.raises(ValueError, match="exactly two arms"):
        exact(boundaries(SplitParameters({"a": 1, "b": 1, "c": 1}, 20)), (0.3, 0.7))


@pytest.mark.parametrize(("weights", "within"), [((45, 30, 25), 24), ((1, 1, 1), 22), ((70, 20, 10), 20)])
def test_three_arms_exactly(weights: tuple[int, int, int], within: float) -> None:
    """For three arms, too, false alarms stay below alpha and every defect's miss below beta: over all counts,
    exactly."""
    parameters = SplitParameters(dict(zip("abc", weights, strict=True)), within, alpha=0.1, beta=0.1)
    test = boundaries(parameters)
    shares = [{arm.name: arm.share for arm in parameters.arms}, *(defect.shares for defect in defects(parameters))]
    meshes = np.array([[float(mesh[arm.name]) for arm in parameters.arms] for mesh in shares])
    verdicts = three_arm_verdicts(test, meshes)
    assert sum(verdicts.values()) == pytest.approx(np.ones(len(meshes)), abs=1e-9)
    false_alarm, misses = verdicts[Verdict.VIOLATED][0], verdicts[Verdict.HOLDS][1:]
    assert 0.2 * parameters.alpha < false_alarm <= parameters.alpha
    assert 0.5 * parameters.beta < misses.max() <= parameters.beta


def three_arm_verdicts(test: Boundaries, meshes: Floats) -> dict[Verdict, Floats]:
    """Probability of each verdict on each of the ``meshes`` (M, 3), over all counts and sets of refuted hypotheses."""
    verdicts = {verdict: np.zeros(len(meshes)) for verdict in Verdict}
    everything = frozenset(range(len(test.hypotheses)))
    mass = {((0, 0, 0), frozenset[int]()): np.ones(len(meshes))}
    for n in range(1, test.cap + 1):
        after: dict[tuple[tuple[int, ...], frozenset[int]], Floats] = defaultdict(lambda: np.zeros(len(meshes)))
        for (counts, refuted), weight in one_more_request(mass, meshes).items():
            refuted |= refuted_now(test, counts, n)
            if refuted == everything:
                verdicts[Verdict.HOLDS] += weight
            elif test.mixture.exceeds(counts, n):
                verdicts[Verdict.VIOLATED] += weight
            elif n == test.cap:
                accepted = bool(test.accepted_at_stop(np.array(counts)).all())
                verdicts[Verdict.HOLDS if accepted else Verdict.VIOLATED] += weight
            else:
                after[counts, refuted] += weight
        mass = dict(after)
    return verdicts


def one_more_request(
    mass: dict[tuple[tuple[int, ...], frozenset[int]], Floats], meshes: Floats
) -> dict[tuple[tuple[int, ...], frozenset[int]], Floats]:
    after: dict[tuple[tuple[int, ...], frozenset[int]], Floats] = defaultdict(lambda: np.zeros(len(meshes)))
    for (counts, refuted), weight in mass.items():
        for arm in range(3):
            hit = tuple(count + (k == arm) for k, count in enumerate(counts))
            after[hit, refuted] += weight * meshes[:, arm]
    return after


def refuted_now(test: Boundaries, counts: tuple[int, ...], n: int) -> frozenset[int]:
    hits = np.array(counts, float)
    crossed = [h.log_e(hits[h.arm], n - hits[h.arm]) >= h.barrier for h in test.hypotheses]
    return frozenset(np.flatnonzero(crossed).tolist())


@pytest.mark.parametrize("weights", [(80, 15, 5), (50, 50), (90, 10, 0), (1,) * 6])
def test_violated_is_decided_exactly_at_the_barrier(weights: tuple[int, ...]) -> None:
    """Near the barrier, on either side, the decision is whether the mixture has reached 1 / (0.8 alpha)."""
    test = boundaries(SplitParameters({f"v{i}": weight for i, weight in enumerate(weights)}, alpha=1e-4))
    assert test.mixture.barrier == pytest.approx(math.log(1 / 0.8e-4))
    random, sides = np.random.default_rng(7), set()
    for _ in range(60):
        codes = random.choice(len(weights), size=400, p=random.dirichlet([2.0] * len(weights)))
        hits, n = np.cumsum(codes == np.arange(len(weights))[:, None], axis=1).astype(float), np.arange(1.0, 401)
        distance = test.mixture.log_m(hits, n) - test.mixture.barrier
        for i in np.flatnonzero((abs(distance) < 0.2) & (abs(distance) > 1e-9)):
            sides.add(above := bool(distance[i] > 0))
            assert test.mixture.exceeds(hits[:, i].tolist(), n[i]) == above
    assert sides == {False, True}
