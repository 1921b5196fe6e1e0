"""Several expectations of the same answers."""

from __future__ import annotations

from meshtest.judging.answered import answered
from meshtest.judging.composition import All
from meshtest.judging.expectation import judge
from meshtest.judging.split import split
from meshtest.judging.verdict import Verdict
from tests.judging.answers import Got, Invented

BOTH = split(v1=100, v2=0, within=1) & answered(200, headers={"x-a": "b"})


def got(status: int, version: str | None, header: str) -> Got:
    """An answer as the driver would have it: with what both read from it."""
    reading = BOTH.reading(lambda *_: version)
    return Got(status, reading(status, [(b"x-a", header.encode())], b""))


def test_both_hold() -> None:
    """All must hold, and what each has seen is said."""
    judgement = judge(Invented([got(200, "v1", "b")] * 700), BOTH)
    assert (judgement.verdict, judgement.requests) == (Verdict.HOLDS, 688)
    assert judgement.observed == "v1 100.0 %, v2 0.0 %; all"
    assert "every share" in judgement.reason
    assert "all 688 answers" in judgement.reason


def test_one_is_violated() -> None:
    """One that is violated decides, at once and by its own reason."""
    right = [got(200, "v1", "b")] * 20
    for wrong, reason in [
        (got(200, "v1", "c"), "request 21 got 200 with x-a: c instead of 200 with x-a: b"),
        (got(503, "v1", "b"), "request 21 got 503 instead of 200 with x-a: b"),
        (got(200, "v2", "b"), "request 21 went to v2, which has weight 0"),
        (got(200, None, "b"), "request 21 got an answer without a version"),
    ]:
        judgement = judge(Invented([*right, wrong, *right]), BOTH)
        assert (judgement.verdict, judgement.requests, judgement.reason) == (Verdict.VIOLATED, 21, reason)


def test_undecided() -> None:
    """Too few answers decide nothing."""
    assert judge(Invented([got(200, "v1", "b")] * 600), BOTH).verdict is Verdict.UNDECIDED


def test_three_are_flat() -> None:
    """A composition is of single expectations, however it was written."""
    three = BOTH & answered(body="")
    assert isinstance(three, All)
    assert [type(each).__name__ for each in three.parts] == ["Split", "Answered", "Answered"]
    assert [len(each.controls()) for each in three.parts] == [1, 1, 1]
    assert len(three.controls()) == 3
    assert [each.beta for each in three.strict().parts] == [1e-6] * 3  # type: ignore[attr-defined]
