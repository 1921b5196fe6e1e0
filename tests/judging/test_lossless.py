"""Requests that are lost while something changes: which, when and amid what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from meshtest.judging.lossless import lossless
from meshtest.judging.verdict import Verdict
from meshtest.traffic.flow import Changed


@dataclass(frozen=True)
class Request:
    """One request of an invented flow."""

    started: float
    status: int = 200
    error: str | None = None
    latency: float = 0.1


@dataclass(frozen=True)
class Invented:
    """A flow that began at second 1000."""

    requests: Iterable[Request]
    began: float = 1000.0

    def rows(self) -> Iterable[Request]:
        return self.requests


CHANGES = [Changed("90/10", 1001, 1002), Changed("50/50", 1003, 1004)]
FINE = [Request(each / 10) for each in range(60)]


def test_nothing_is_lost() -> None:
    """All answers as stated hold, and say how many changes they survived."""
    judgement = lossless().judge(Invented(FINE), CHANGES)
    assert (judgement.verdict, judgement.requests, judgement.observed) == (Verdict.HOLDS, 60, "none lost")
    assert judgement.reason == "all 60 requests over 2 changes were answered as stated"


@pytest.mark.parametrize(
    ("started", "amid"),
    [
        (0.5, "before any change"),
        (0.95, "during 90/10"),
        (2.0, "during 90/10"),
        (2.5, "after 90/10"),
        (3.5, "during 50/50"),
        (5.0, "after 50/50"),
    ],
)
def test_what_is_lost(started: float, amid: str) -> None:
    """One lost request is enough, and is told with its time and what was changed while it was under way."""
    judgement = lossless().judge(Invented([*FINE, Request(started, 503)]), CHANGES)
    assert judgement.verdict is Verdict.VIOLATED
    assert f"request 60 ({started:.3f} s, {amid}) got 503" in judgement.reason


def test_errors_and_other_statuses() -> None:
    """A transport error is lost; other statuses are as it is stated; many losses are told in short."""
    load = Invented([Request(0, 0, "closed"), *(Request(1, 404) for _ in range(9))])
    judgement = lossless().judge(load)
    assert judgement.observed == "10 lost (9 x 404, 1 x closed)"
    assert judgement.reason.endswith("; and 5 more")
    assert lossless(200, 404).judge(load).observed == "1 lost (1 x closed)"
    assert lossless().judge(Invented([])).verdict is Verdict.UNDECIDED


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for make, words in [(lambda: lossless(20), "from 100 to 599"), (lambda: lossless(requests=0), "at least 1")]:
        with pytest.raises(ValueError, match=words):
            make()


def test_the_control_is_strict() -> None:
    """Of 5 % lost, a control's requests miss all with a probability below 1e-6."""
    assert (1 - 0.05) ** lossless().strict().requests < 1e-6
