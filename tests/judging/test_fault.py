"""Aborts and delays: told by their flags, their shares, their statuses and their times."""

from __future__ import annotations

import random
from typing import Any

import pytest

from meshtest.judging.expectation import Expectation, judge
from meshtest.judging.fault import aborted, delayed
from meshtest.judging.verdict import Verdict
from tests.judging.answers import Got, Invented, Said

PASSED = Got(200, cause=Said())
ABORTED = Got(503, cause=Said(("FI",), "fault_filter_abort", None))
HOLDS, VIOLATED, UNDECIDED = Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED


def slow(held: float) -> Got:
    """A delayed request."""
    return Got(200, cause=Said(("DI",), held=held))


def mixed(share: float, fault: Got, number: int = 6000, seed: int = 1) -> list[Got]:
    """Independent answers, of which a share has a fault."""
    chance = random.Random(seed)
    return [fault if chance.random() < share else PASSED for _ in range(number)]


def verdict(expectation: Expectation, got: list[Got]) -> Verdict:
    return judge(Invented(got), expectation).verdict


@pytest.mark.parametrize(
    ("expectation", "share", "wanted"),
    [
        (aborted(503), 1.0, HOLDS),
        (aborted(503), 0.99, VIOLATED),
        (aborted(503, percent=10), 0.1, HOLDS),
        (aborted(503, percent=10), 0.15, VIOLATED),
        (aborted(503, percent=10), 0.05, VIOLATED),
        (aborted(503, percent=0), 0.0, HOLDS),
        (aborted(503, percent=0), 0.01, VIOLATED),
    ],
)
def test_shares_of_aborts(expectation: Expectation, share: float, wanted: Verdict) -> None:
    """A share within its margin holds, one that is off by it does not."""
    assert verdict(expectation, mixed(share, ABORTED)) is wanted


def test_aborts_are_told_by_their_flag() -> None:
    """A 503 of the workload is no abort, and an abort with another status is none that was asked for."""
    own = Got(503, cause=Said((), "via_upstream"))
    assert verdict(aborted(503), [own] * 700) is VIOLATED
    assert verdict(aborted(503, percent=0), [own] * 700) is HOLDS
    judgement = judge(Invented([Got(500, cause=ABORTED.cause)]), aborted(503))
    assert (judgement.verdict, judgement.observed) == (
        VIOLATED,
        "aborted 0.0 %, passed 0.0 %, aborted with 500 100.0 %",
    )
    assert verdict(aborted(503), [Got(503)]) is VIOLATED  # the log says nothing of it


def test_aborts_of_grpc() -> None:
    """A gRPC status is read from the answer's headers, whatever the HTTP status is."""
    expectation = aborted(grpc="UNAVAILABLE")
    read = expectation.reading(lambda *_: "v1")
    found = read(200, [(b"content-type", b"application/grpc"), (b"grpc-status", b"14")], b"")
    assert found == "14"
    assert verdict(expectation, [Got(200, found, cause=ABORTED.cause)] * 700) is HOLDS
    assert verdict(expectation, [Got(200, "13", cause=ABORTED.cause)]) is VIOLATED
    assert expectation == aborted(grpc=14)


@pytest.mark.parametrize(
    ("expectation", "got", "wanted"),
    [
        (delayed(0.5), [slow(0.501)] * 700, HOLDS),
        (delayed(0.5), [*[slow(0.3)] * 9, *[slow(0.46)] * 700], HOLDS),  # timers of a busy event loop
        (delayed(0.5), [*[slow(0.501)] * 9, *[slow(0.44)] * 700], VIOLATED),
        (delayed(0.5), [slow(0.61)] * 700, VIOLATED),
        (delayed(0.5), [*[slow(3.0)] * 19, *[slow(0.52)] * 700], HOLDS),  # a machine that is slow for a while
        (delayed(0.5), [*[slow(0.6)] * 59, *[slow(0.52)] * 700], HOLDS),  # and for longer
        (delayed(0.5), [*[slow(0.6)] * 60, *[slow(0.52)] * 700], VIOLATED),
        (delayed(0.5), [slow(0.595)] * 700, VIOLATED),  # off by the tolerance, and a busy event loop
        (delayed(0.5, tolerance=0.9), [slow(0.94)] * 700, HOLDS),
        (delayed(0.5), mixed(0.99, slow(0.51)), VIOLATED),
        (delayed(0.5, percent=10), mixed(0.1, slow(0.51)), HOLDS),
        (delayed(0.5, percent=10), mixed(0.1, slow(0.7)), VIOLATED),
        (delayed(0.5, percent=10), mixed(0.15, slow(0.51)), VIOLATED),
        (delayed(0.5, percent=0), mixed(0, slow(0.51)), HOLDS),
        (delayed(0.5, percent=0), mixed(0.01, slow(0.51)), VIOLATED),
        (delayed(0.5), [Got(200, latency=0.6, cause=Said())], VIOLATED),  # slow without a fault
        (delayed(0.5), [slow(0.51)] * 100, UNDECIDED),
    ],
)
def test_delays(expectation: Expectation, got: list[Got], wanted: Verdict) -> None:
    """The median of twenty delays is not much shorter than stated, and the quickest not much longer."""
    assert verdict(expectation, got) is wanted


def test_what_is_said_of_delays() -> None:
    """The reason names the time that was seen."""
    judgement = judge(Invented([slow(0.61)] * 700), delayed(0.5))
    assert judgement.reason == "the quickest of 60 delays took 610ms instead of 500ms"
    assert judgement.observed == "delayed 100.0 %, passed 0.0 %; the median delay 610ms"


@pytest.mark.parametrize(
    ("expectation", "faults"),
    [
        (aborted(503, percent=10), [
            ("aborted at 15 % instead of 10 %", {"abort": {"httpStatus": 503, "percentage": {"value": 15}}}),
            ("aborted at 5 % instead of 10 %", {"abort": {"httpStatus": 503, "percentage": {"value": 5}}}),
            ("aborted with 555 instead of 503", {"abort": {"httpStatus": 555, "percentage": {"value": 10}}}),
        ]),
        (aborted(grpc="NOT_FOUND"), [
            ("passed at 1 % instead of 0 %", {"abort": {"grpcStatus": "NOT_FOUND", "percentage": {"value": 99}}}),
            ("aborted with 555 instead of gRPC NOT_FOUND", {"abort": {"httpStatus": 555, "percentage": {"value": 100}}}),
        ]),
        (aborted(500, percent=0), [("aborted at 1 % instead of 0 %", {"abort": {"httpStatus": 500, "percentage": {"value": 1}}})]),
        (delayed(2), [
            ("passed at 1 % instead of 0 %", {"delay": {"fixedDelay": "2s", "percentage": {"value": 99}}}),
            ("delayed by 1.6s instead of 2s", {"delay": {"fixedDelay": "1.6s", "percentage": {"value": 100}}}),
            ("delayed by 2.4s instead of 2s", {"delay": {"fixedDelay": "2.4s", "percentage": {"value": 100}}}),
        ]),
    ],
)  # fmt: skip
def test_controls(expectation: Expectation, faults: list[tuple[str, Any]]) -> None:
    """Each control is a rule whose fault is off by exactly the margin in one way."""
    found = [(each.name, each.edits[0].change({})["fault"]) for each in expectation.controls()]
    by_name = dict(found)
    for name, fault in faults:
        assert by_name[name] == fault


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for make, words in [
        (lambda: aborted(), "say with what"),
        (lambda: aborted(500, grpc=1), "not both"),
        (lambda: aborted(100), "from 200 to 599"),
        (lambda: aborted(grpc="GONE"), "no status 'GONE'"),
        (lambda: aborted(500, percent=101), "from 0 to 100"),
        (lambda: aborted(500, within=0), "within is in percentage points"),
        (lambda: delayed(0), "above 0"),
        (lambda: delayed(1, tolerance=0), "tolerance of the delay"),
        (lambda: delayed(1, percent=-1), "from 0 to 100"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()
