"""The forecast: near the exact expectation, honest about limits, and with a way out that works."""

from __future__ import annotations

import time

import pytest

from meshtest.judging.boundaries import EPS_GRID, boundaries
from meshtest.judging.exact import exact
from meshtest.judging.forecast import CrossingTimes
from meshtest.judging.hypotheses import defect_hypotheses
from meshtest.judging.split_test import SplitTest
from meshtest.judging.verdict import Forecast


@pytest.mark.parametrize(("share", "within"), [(50, 10), (20, 5), (10, 5), (1, 2), (1, 5), (30, 10)])
def test_forecast_is_near_the_exact_length(share: int, within: float) -> None:
    """For two arms the mean is within 2 % and the 95 % point within 5 % of the exact ones."""
    test = SplitTest({"v1": 100 - share, "v2": share}, within=within)
    right, forecast = exact(test.boundaries, (share / 100, 1 - share / 100)), test.forecast()
    assert forecast.mean == pytest.approx(right.mean, rel=0.02)
    assert forecast.p95 == pytest.approx(right.quantile(0.95), rel=0.05)


@pytest.mark.parametrize(
    ("weights", "within", "mean", "p95"),
    [
        ((80, 15, 5), 5, 1381, 2049),
        ((80, 15, 5), 2, 8534, 12608),
        ((33, 33, 34), 5, 2268, 3207),
        ((50, 50), 5, 1928, 3027),
    ],
)
def test_forecast_with_the_published_shift(weights: tuple[int, ...], within: float, mean: int, p95: int) -> None:
    """At eps = 0.2 the forecasts are those of the method's table."""
    test = SplitTest({f"v{i}": weight for i, weight in enumerate(weights)}, within=within)
    times = CrossingTimes(defect_hypotheses(test.parameters, 0.2))
    assert times.mean() == pytest.approx(mean, rel=2e-3)
    assert times.quantile(0.95) == pytest.approx(p95, rel=2e-3)


@pytest.mark.parametrize("weights", [(50, 50), (99, 1), (80, 15, 5), (33, 33, 34), (1,) * 10])
def test_the_shift_is_the_one_with_the_least_forecast(weights: tuple[int, ...]) -> None:
    """No eps of the grid has a smaller expected length than the one chosen."""
    test = SplitTest({f"v{i}": weight for i, weight in enumerate(weights)})
    means = {eps: CrossingTimes(defect_hypotheses(test.parameters, eps)).mean() for eps in EPS_GRID}
    assert means[test.boundaries.eps] == min(means.values())
    assert boundaries(test.parameters, 0.2).eps == 0.2


def test_alpha_costs_a_right_mesh_nothing() -> None:
    """The expected length on a right mesh depends on beta, not on alpha."""
    lenient, strict = (SplitTest({"v1": 80, "v2": 20}, alpha=alpha).forecast() for alpha in (1e-3, 1e-6))
    assert strict.mean == pytest.approx(lenient.mean, rel=1e-2)
    assert SplitTest({"v1": 80, "v2": 20}, beta=1e-2).forecast().mean < 0.75 * strict.mean


@pytest.mark.parametrize(
    ("weights", "limit"),
    [
        ({"v1": 80, "v2": 20}, 200),
        ({"v1": 80, "v2": 15, "v3": 5}, 1000),
        ({"v1": 1, "v2": 0}, 100),
        ({"v1": 80, "v2": 20, "v3": 0}, 400),
    ],
)
def test_the_tolerance_that_fits_does(weights: dict[str, int], limit: int) -> None:
    """With the tolerance that the forecast names the test fits; with a tenth of a point less it does not; it is in
    the text."""
    forecast = SplitTest(weights, max_requests=limit).forecast()
    wider = {"within": forecast.within_that_fits, "zero_within": forecast.zero_within_that_fits}
    named = {name: value for name, value in wider.items() if value is not None}
    assert named
    assert not forecast.fits
    assert all(f"{name}={value:g}" in str(forecast) for name, value in named.items())
    assert SplitTest(weights, max_requests=limit, **named).forecast().fits  # type: ignore[arg-type]
    for name, value in named.items():
        narrower = named | {name: value - 0.1}
        assert not SplitTest(weights, max_requests=limit, **narrower).forecast().fits  # type: ignore[arg-type]


def test_no_tolerance_makes_a_rare_arm_appear() -> None:
    """A one-percent arm must be seen however wide the margin: only more requests help, and the forecast says so."""
    forecast = SplitTest({"v1": 99, "v2": 1}, max_requests=200).forecast()
    assert (forecast.fits, forecast.within_that_fits) == (False, None)
    assert "no tolerance would fit" in str(forecast)
    assert SplitTest({"v1": 99, "v2": 1}, max_requests=forecast.cap).forecast().fits


def test_forecast_sentences() -> None:
    """One English sentence; UNDECIDED only comes up where it may happen."""
    assert str(Forecast(1230.4, 2031, 5372)) == (
        "about 1230 requests if the mesh is right (95 % of runs within 2031), 5372 at the most."
    )
    assert "UNDECIDED" not in str(Forecast(10, 20, 30, 30))
    assert "only 29 are allowed, so this may end UNDECIDED: within=7 would fit" in str(Forecast(10, 20, 30, 29, 7.0))


def test_making_a_test_is_quick() -> None:
    """Boundaries, shift and cap of ten arms take little processor time, however small the margin (a generous bound)."""
    started = time.process_time()
    SplitTest({f"v{i}": i + 1 for i in range(10)}, within=0.5)
    assert time.process_time() - started < 2
