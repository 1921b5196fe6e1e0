"""Timeouts: told by their flag and details, and by the time that they take."""

from __future__ import annotations

import pytest

from meshtest.judging.expectation import judge
from meshtest.judging.timeout import TimedOut, timed_out
from meshtest.judging.verdict import Verdict
from tests.judging.answers import Got, Invented, Said

HOLDS, VIOLATED = Verdict.HOLDS, Verdict.VIOLATED
ROUTE, TRY = "response_timeout", "upstream_per_try_timeout"


def late(duration: float, details: str = ROUTE, attempts: int = 1, flags: tuple[str, ...] = ("UT",)) -> Got:
    """An answer that a timeout made."""
    return Got(504, cause=Said(flags, details, attempts, duration=duration))


@pytest.mark.parametrize(
    ("expectation", "got", "wanted"),
    [
        (timed_out(0.3), late(0.301), HOLDS),
        (timed_out(0.3), late(0.24), VIOLATED),
        (timed_out(0.3), late(0.42), VIOLATED),
        (timed_out(0.3, tolerance=0.2), late(0.39), HOLDS),
        (timed_out(0.3), late(0.301, TRY), VIOLATED),
        (timed_out(0.3), late(0.301, flags=()), VIOLATED),  # a 504 of the workload's own
        (timed_out(0.3), Got(200, cause=Said(duration=0.301)), VIOLATED),
        (timed_out(0.3), Got(504), VIOLATED),  # the log says nothing of it
        (timed_out(0.2, attempts=3), late(0.62, TRY, 3, ("URX", "UT")), HOLDS),
        (timed_out(0.2, attempts=3), late(0.62, TRY, 4, ("URX", "UT")), VIOLATED),
        (timed_out(0.2, attempts=3), late(0.42, TRY, 3, ("URX", "UT")), VIOLATED),
    ],
)
def test_timeouts(expectation: TimedOut, got: Got, wanted: Verdict) -> None:
    """Every answer must be the timeout's, after its time."""
    assert judge(Invented([got] * 700), expectation).verdict is wanted


def test_what_is_said() -> None:
    """The reason names what came instead."""
    judgement = judge(Invented([Got(200, cause=Said(duration=0.301))] * 700), timed_out(0.3))
    assert judgement.reason == "request 1 got 200 - via_upstream instead of 504 UT response_timeout"


def test_controls() -> None:
    """The timeout is moved by the tolerance; that of each try by its part of it."""
    found = [each.edits[0].change({}) for each in timed_out(0.3).controls()]
    assert found == [{"timeout": "200ms"}, {"timeout": "400ms"}]
    found = [each.edits[0].change({"retries": {"attempts": 2}}) for each in timed_out(1, attempts=2).controls()]
    assert found == [{"retries": {"attempts": 2, "perTryTimeout": text}} for text in ("900ms", "1.1s")]
    found = [each.edits[0].change({}) for each in timed_out(0.3, attempts=3, tolerance=0.5).controls()]
    assert [each["retries"]["perTryTimeout"] for each in found] == ["133ms", "467ms"]  # whole milliseconds


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for make, words in [
        (lambda: timed_out(0), "above 0"),
        (lambda: timed_out(1, tolerance=-1), "tolerance"),
        (lambda: timed_out(1, attempts=0), "at least 1"),
        (lambda: timed_out(1, within=200), "within"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()
