"""What has changed since another run."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from meshtest.report.comparison import ALPHA, chance, compare
from meshtest.report.record import BROKEN, PASSED, SKIPPED, VIOLATED, Missing

from .exported import finding, one, record


def test_red_green_and_gone() -> None:
    """A test that was red is not new; one that did not come to run is not gone, nor are those of modules that were not asked for."""
    then = record(
        one("stays", VIOLATED),
        one("mends", BROKEN),
        one("breaks"),
        one("goes"),
        one("waits"),
        one("skips", VIOLATED),
        one("b.py::x"),
    )
    now = record(
        one("stays", BROKEN),
        one("mends"),
        one("breaks", VIOLATED),
        one("comes", VIOLATED),
        one("skips", SKIPPED),
        missing=(Missing("test_canary.py::waits", "the run was interrupted"),),
    )
    found = compare(now, then)
    assert found.new == ("test_canary.py::breaks", "test_canary.py::comes")
    assert found.mended == ("test_canary.py::mends",)
    assert found.gone == ("test_canary.py::goes",)
    assert found.lines()[0] == "newly red: test_canary.py::breaks"


@pytest.mark.parametrize(("median", "slower"), [(0.0199, 0), (0.0201, 1)])
def test_slower(median: float, slower: int) -> None:
    """Half of the answers must take longer than nine tenths did."""
    then = record(one("t", PASSED, finding(latency=(0.01, 0.02))))
    now = record(one("t", PASSED, finding(latency=(median, 0.03))))
    assert len(compare(now, then).slower) == slower
    assert not compare(now, now).slower
    if slower:
        assert "20.1 ms and more, nine tenths took 20 ms" in compare(now, then).lines()[0]


def test_few_answers_tell_nothing() -> None:
    """Of twenty each the median may be above the ninth decile by chance."""
    few = finding(latency=(0.5, 0.6))
    few["evidence"]["latency"]["rows"][0]["answers"] = 20
    assert chance(20, 20) > ALPHA
    assert not compare(record(one("t", PASSED, few)), record(one("t", PASSED, finding(latency=(0.01, 0.02))))).slower


@settings(max_examples=200)
@given(st.integers(1, 300), st.integers(1, 300))
def test_chance(now: int, then: int) -> None:
    """It is the tail of a hypergeometric distribution."""
    i, j = -(-now // 2), -(-9 * then // 10)
    assert chance(now, then) == pytest.approx(hypergeom(now + then, then, i + j - 1).sf(j - 1), rel=1e-6, abs=1e-300)


def test_many_answers() -> None:
    """Large numbers cost nothing, and only make it less likely."""
    assert chance(10**7, 10**7) == chance(1000, 1000) < 1e-80
    assert chance(0, 10) == 1
