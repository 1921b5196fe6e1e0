"""What a split test says of meshes that anyone can judge by eye, at its edges, and of arguments that make no sense."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from meshtest.judging.distributions import binomial_cdf, binomial_sf
from meshtest.judging.split_test import LEAST_BATCH, MOST_BATCH, SplitTest
from meshtest.judging.verdict import Verdict


def draw(shares: dict[str, float], n: int, seed: int = 1) -> list[str]:
    """Independent answers with these shares."""
    names = list(shares)
    return [names[i] for i in np.random.default_rng(seed).choice(len(names), size=n, p=list(shares.values()))]


def test_a_right_mesh_holds() -> None:
    """80/20 as configured: HOLDS, near the forecast."""
    test = SplitTest({"v1": 80, "v2": 20})
    assert test.observe_many(draw({"v1": 0.8, "v2": 0.2}, 5000)) is Verdict.HOLDS
    assert test.verdict is Verdict.HOLDS
    assert test.requests <= 2 * test.forecast().p95
    assert sum(test.counts.values()) == test.requests
    assert test.progress == 1.0


def test_a_wrong_mesh_is_violated() -> None:
    """70/30 instead of 80/20 within 5 points: VIOLATED, with the arm and its share in the reason."""
    test = SplitTest({"v1": 80, "v2": 20})
    assert test.observe_many(draw({"v1": 0.7, "v2": 0.3}, 5000)) is Verdict.VIOLATED
    assert "v2 got" in test.judgement().reason
    assert "to 1 against the configured weights" in test.judgement().reason


@pytest.mark.parametrize("arm", ["v3", None, "V1", ""])
def test_an_unconfigured_arm_violates_at_once(arm: str | None) -> None:
    """One answer from elsewhere, or without a version, decides; it is counted and named, and nothing after it
    counts."""
    test = SplitTest({"v1": 80, "v2": 20})
    assert test.observe_many(["v1", "v2", "v1", arm, "v1"]) is Verdict.VIOLATED
    assert test.requests == 4
    assert test.counts == {"v1": 2, "v2": 1, arm: 1}
    judgement = test.judgement()
    assert judgement.evidence["decided_by"] == "unconfigured arm"
    assert ("without a version" if arm is None else repr(arm)) in judgement.reason
    assert judgement.evidence["p_value"] == 0.0


def test_an_idle_arm_violates_at_once() -> None:
    """One answer from an arm of weight 0 decides."""
    test = SplitTest({"v1": 100, "v2": 0})
    assert test.observe_many(["v1"] * 500 + ["v2"]) is Verdict.VIOLATED
    assert test.requests == 501
    assert "v2, which has weight 0" in test.judgement().reason


@pytest.mark.parametrize(
    ("zero_within", "beta", "requests"),
    [(5, 1e-3, 135), (2, 1e-3, 342), (1, 1e-3, 688), (0.5, 1e-3, 1379), (0.1, 1e-3, 6905), (1, 1e-6, 1375)],
)
def test_clean_requests_for_an_idle_arm(zero_within: float, beta: float, requests: int) -> None:
    """0 percent holds after the least n with (1 - zero_within)^n <= beta, not one request sooner, and that is the
    cap."""
    test = SplitTest({"v1": 1, "v2": 0}, within=10, zero_within=zero_within, beta=beta)
    assert test.observe_many(["v1"] * (requests - 1)) is None
    assert test.observe("v1") is Verdict.HOLDS
    forecast = test.forecast()
    assert (round(forecast.mean), forecast.p95, forecast.cap) == (requests, requests, requests)


def test_an_idle_arm_beside_others_needs_no_more_requests() -> None:
    """The shift and the part of beta kept for the cap are for arms whose counts vary: an idle arm still takes 688
    requests."""
    test = SplitTest({"v1": 50, "v2": 50, "v3": 0})
    (idle,) = [h for h in test.boundaries.hypotheses if h.clean]
    assert test.boundaries.eps > 0
    assert idle.clean_requests == 688
    assert test.observe_many(["v1", "v2"] * 343) is None
    assert not any(
        refuted for h, refuted in zip(test.boundaries.hypotheses, test._walk.refuted, strict=True) if h.clean
    )
    test.observe_many(["v1", "v2"])
    assert all(refuted for h, refuted in zip(test.boundaries.hypotheses, test._walk.refuted, strict=True) if h.clean)


def test_holds_comes_before_violated() -> None:
    """Where one answer completes both, the test HOLDS: every defect is refuted, and the certified ranges say the
    same."""
    test = SplitTest({"a": 4, "b": 1, "c": 1}, within=35, alpha=0.4, beta=0.4)
    assert test.observe_many("aabccbc") is None
    assert test.observe("c") is Verdict.HOLDS
    hits = [test.counts[arm.name] for arm in test.parameters.arms]
    assert test.boundaries.mixture.exceeds(hits, test.requests)


def test_what_was_refuted_on_the_way_stays_refuted() -> None:
    """A defect refuted early counts, though the evidence fell back since: verdict and certified range agree on it."""
    fallen = 0
    for seed in range(40):
        test = SplitTest({"v1": 50, "v2": 50}, within=10)
        assert test.observe_many(draw({"v1": 0.5, "v2": 0.5}, 3000, seed)) is Verdict.HOLDS
        hits = test.counts[test.parameters.arms[0].name]
        final = [
            h.log_e(np.array(hits), np.array(test.requests - hits)) >= h.barrier for h in test.boundaries.hypotheses
        ]
        fallen += not all(final)
        for row in test.judgement().evidence["arms"]:  # type: ignore[attr-defined]
            assert 0.4 <= row["certified"][0] < row["certified"][1] <= 0.6
    assert fallen >= 3


def test_a_lone_arm() -> None:
    """An arm that is alone holds after as many answers as its margin wants, and any other answer violates."""
    test = SplitTest({"v1": 7}, within=5)
    assert test.observe_many(["v1"] * 1000) is Verdict.HOLDS
    assert test.requests == 135
    assert SplitTest({"v1": 7}).observe(None) is Verdict.VIOLATED


@pytest.mark.parametrize("within", [0.5, 1, 2, 5, 50])
@pytest.mark.parametrize("alpha", [1e-3, 1e-6])
def test_a_dead_arm_never_holds(within: float, alpha: float) -> None:
    """99/1 that became 100/0 is VIOLATED, whatever the margin."""
    test = SplitTest({"v1": 99, "v2": 1}, within=within, alpha=alpha)
    assert test.observe_many(["v1"] * test.forecast().cap) is Verdict.VIOLATED
    assert "v2 got 0 %" in test.judgement().reason


@pytest.mark.parametrize("weights", [{"v1": 50, "v2": 50}, {"v1": 45, "v2": 55}, {"v1": 60, "v2": 39, "v3": 1}])
@pytest.mark.parametrize("dead", ["v1", "v2"])
def test_either_arm_dead_is_violated_at_a_huge_margin(weights: dict[str, int], dead: str) -> None:
    """With a margin above every share only dead arms are wrong, and each of them is found, the larger one included."""
    test = SplitTest(weights, within=70)
    alive = [arm for arm in weights if arm != dead]
    assert test.observe_many(alive * test.forecast().cap) is Verdict.VIOLATED


def test_ten_arms() -> None:
    """Ten equal arms hold, and are violated when one takes another's traffic."""
    arms = {f"v{i}": 1 for i in range(10)}
    right = SplitTest(arms)
    assert right.observe_many(draw(dict.fromkeys(arms, 0.1), 5000)) is Verdict.HOLDS
    wrong = SplitTest(arms)
    shares = dict.fromkeys(arms, 0.1) | {"v3": 0.0, "v7": 0.2}
    assert wrong.observe_many(draw(shares, 5000)) is Verdict.VIOLATED
    assert wrong.judgement().evidence["worst_arm"] in {"v3", "v7"}


def test_too_few_requests_are_undecided_never_violated() -> None:
    """At a limit below the cap a test that is not inside ends UNDECIDED, and says what it would take."""
    test = SplitTest({"v1": 80, "v2": 20}, max_requests=300)
    forecast = test.forecast()
    assert not forecast.fits
    answers = ["v1", "v1", "v1", "v2"] * 75
    assert test.observe_many(answers) is Verdict.UNDECIDED
    judgement = test.judgement()
    assert judgement.requests == 300
    assert f"within={forecast.within_that_fits:g}" in judgement.reason
    assert f"max_requests={forecast.cap}" in judgement.reason
    assert judgement.evidence["decided_by"] == "limit"


def test_the_limit_may_still_hold() -> None:
    """At a limit below the cap it HOLDS if the exact tests accept the counts, and is UNDECIDED if they do not."""
    limit, met = 1500, set()
    for count in range(168, 180):
        test = SplitTest({"v1": 90, "v2": 10}, max_requests=limit)
        test.observe_many("v2" if i * count % limit < count else "v1" for i in range(limit))
        if test.judgement().evidence["decided_by"] == "limit":
            assert test.counts["v2"] == count
            few = binomial_cdf(count, limit, 0.15) <= 1e-4
            many = binomial_sf(count - 1, limit, 0.05) <= 1e-4
            assert test.verdict is (Verdict.HOLDS if few and many else Verdict.UNDECIDED)
            ranges = {row["arm"]: row["certified"] for row in test.judgement().evidence["arms"]}  # type: ignore[attr-defined]
            assert (ranges["v2"][0] >= 0.05 and ranges["v2"][1] <= 0.15) == (test.verdict is Verdict.HOLDS)
            met.add(test.verdict)
    assert met == {Verdict.HOLDS, Verdict.UNDECIDED}


def test_a_violation_is_found_before_the_limit() -> None:
    """A limit below the cap keeps nobody from a VIOLATED that the evidence supports."""
    test = SplitTest({"v1": 80, "v2": 20}, max_requests=300)
    assert test.observe_many(["v2"] * 300) is Verdict.VIOLATED


def test_before_and_between_there_is_a_judgement() -> None:
    """At any time the judgement is UNDECIDED with about how many requests are missing; the estimate shrinks on the
    way."""
    test = SplitTest({"v1": 80, "v2": 20})
    first = test.judgement()
    assert (first.verdict, first.requests, test.verdict, test.progress) == (Verdict.UNDECIDED, 0, None, 0.0)
    before = test.remaining()
    test.observe_many((["v1"] * 4 + ["v2"]) * 100)
    assert test.verdict is None
    assert test.remaining() < before
    assert 0 < test.progress < 1
    assert f"about {test.remaining()} more requests" in test.judgement().reason


def test_self_clocked_batches_lead_to_the_verdict() -> None:
    """Batches are 50 to 500 requests, never past the cap, 0 once decided, and few are needed."""
    answers = iter(draw({"v1": 0.8, "v2": 0.15, "v3": 0.05}, 6000))
    test = SplitTest({"v1": 80, "v2": 15, "v3": 5})
    batches = []
    while test.verdict is None:
        batches.append(test.suggested_batch())
        test.observe_many([next(answers) for _ in range(batches[-1])])
    assert all(LEAST_BATCH <= batch <= MOST_BATCH for batch in batches)
    assert len(batches) < 10
    assert test.suggested_batch() == 0
    limited = SplitTest({"v1": 80, "v2": 20}, max_requests=30)
    assert limited.suggested_batch() == 30


def test_after_the_verdict_nothing_counts() -> None:
    """Further observations change neither verdict nor counts."""
    test = SplitTest({"v1": 1}, within=50)
    test.observe_many(["v1"] * 10)
    counts = test.counts
    assert test.observe(None) is Verdict.HOLDS
    assert (test.counts, test.requests) == (counts, 10)


def test_endless_observations_are_read_only_as_far_as_needed() -> None:
    """An infinite stream of answers ends at the verdict."""

    def forever() -> object:
        while True:
            yield "v1"

    assert SplitTest({"v1": 1, "v2": 0}).observe_many(forever()) is Verdict.HOLDS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "weights", [{"a": 1, "b": 1, "c": 1}, {"a": 33, "b": 33, "c": 34}, {"a": 10, "b": 10, "c": 10}]
)
def test_thirds(weights: dict[str, int]) -> None:
    """Three thirds, exact or rounded to percent, are much the same test; the same ratio is the very same test."""
    reference, test = SplitTest({"a": 33, "b": 33, "c": 33}), SplitTest(weights)
    assert test.forecast().cap == pytest.approx(reference.forecast().cap, rel=0.02)
    assert test.forecast().mean == pytest.approx(reference.forecast().mean, rel=0.02)
    answers = ["a", "b", "c"] * 2000
    assert test.observe_many(answers) is reference.observe_many(answers) is Verdict.HOLDS
    if len(set(weights.values())) == 1:
        assert test.requests == reference.requests
        assert test.forecast() == reference.forecast()


def test_margins_are_compared_exactly() -> None:
    """An arm whose share equals the margin is a dead-arm case, also where floats would say otherwise."""
    for share, within in [(7, 7), (0.3, 30), (5, 5), (57, 57), (28.8, 28.8)]:
        weights = {"v1": 1 - share, "v2": share} if share < 1 else {"v1": 100 - share, "v2": share}
        test = SplitTest(weights, within=within)
        assert any(h.dead_arm for h in test.boundaries.hypotheses), (share, within)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {}}, "at least one arm"),
        ({"weights": {"v1": 0, "v2": 0}}, "all weights are 0"),
        ({"weights": {"v1": -1, "v2": 2}}, "weight of 'v1'"),
        ({"weights": {"v1": math.nan}}, "weight of 'v1'"),
        ({"weights": {"v1": math.inf}}, "weight of 'v1'"),
        ({"weights": {"v1": "80"}}, "weight of 'v1'"),
        ({"weights": {None: 80}}, "named by a string"),
        ({"within": 0}, "within is in percentage points"),
        ({"within": 100}, "within is in percentage points"),
        ({"within": math.nan}, "within is in percentage points"),
        ({"zero_within": 0}, "zero_within is in percentage points"),
        ({"alpha": 0}, "alpha is an error rate"),
        ({"alpha": 1}, "alpha is an error rate"),
        ({"beta": -1}, "beta is an error rate"),
        ({"beta": 1.5}, "beta is an error rate"),
        ({"slack": 5}, "below within"),
        ({"slack": -1}, "slack"),
        ({"weights": {"v1": 99, "v2": 1}, "slack": 2}, "would allow 'v2'"),
        ({"max_requests": 0}, "max_requests"),
        ({"max_requests": 2.5}, "max_requests"),
    ],
)
def test_senseless_arguments(arguments: dict[str, object], message: str) -> None:
    """Each is refused with a sentence that names it."""
    with pytest.raises(ValueError, match=message):
        SplitTest(**({"weights": {"v1": 80, "v2": 20}} | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("rates", [{"alpha": 1e-100, "beta": 1e-100}, {"alpha": 0.999, "beta": 0.999}, {"beta": 1e-15}])
def test_extreme_error_rates(rates: dict[str, float]) -> None:
    """Any error rate between 0 and 1 makes a test that holds for perfectly balanced answers."""
    test = SplitTest({"v1": 2, "v2": 1, "v3": 1}, **rates)  # type: ignore[arg-type]
    assert test.observe_many(["v1", "v2", "v1", "v3"] * 20_000) is Verdict.HOLDS


@pytest.mark.parametrize(
    "answers", [[], ["v1"] * 3, ["v1", "v2"] * 3000, ["v2"] * 300, ["v1", "v3"], ["v1", None], ["v1"] * 4]
)
@pytest.mark.parametrize(
    "weights", [{"v1": 1, "v2": 1}, {"v1": 3, "v2": 0}, {"v1": np.int64(80), "v2": np.float64(20)}]
)
def test_evidence_is_plain_data(answers: list[str | None], weights: dict[str, float]) -> None:
    """Whatever happened, the evidence survives strict JSON unchanged and the reason is one line."""
    test = SplitTest(weights)
    test.observe_many(answers)
    judgement = test.judgement()
    evidence = dict(judgement.evidence)
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    assert "\n" not in judgement.reason
    assert str(judgement).startswith(judgement.verdict.name)


def test_evidence_figures() -> None:
    """Counts, shares, deviation, total variation and the bound on what was not seen, by hand."""
    test = SplitTest({"v1": 70, "v2": 30})
    test.observe_many(["v1"] * 9 + ["v2"])
    evidence = test.judgement().evidence
    rows = evidence["arms"]
    assert [(row["arm"], row["weight"], row["count"], row["observed"]) for row in rows] == [
        ("v1", 70, 9, 0.9),
        ("v2", 30, 1, 0.1),
    ]  # type: ignore[attr-defined]
    assert evidence["worst_arm"] == "v2"
    assert evidence["deviation"] == -20
    assert evidence["total_variation"] == pytest.approx(0.2)
    assert evidence["unseen_share_below"] == pytest.approx(1 - 1e-3**0.1)
    assert evidence["decided_by"] is None
