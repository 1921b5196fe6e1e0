"""Retries: told by the number of attempts, and by whether they are used up."""

from __future__ import annotations

from typing import Any

import pytest

from meshtest.judging.expectation import judge
from meshtest.judging.retried import Retried, retried
from meshtest.judging.verdict import Verdict
from tests.judging.answers import Got, Invented, Said

HOLDS, VIOLATED = Verdict.HOLDS, Verdict.VIOLATED


def got(status: int, attempts: int | None, *flags: str) -> Got:
    """An answer after so many attempts."""
    return Got(status, cause=Said(flags, attempts=attempts))


@pytest.mark.parametrize(
    ("expectation", "answer", "wanted"),
    [
        (retried(2, status=503), got(503, 3, "URX"), HOLDS),
        (retried(2, status=503), got(503, 3, "URX", "UF"), HOLDS),
        (retried(2, status=503), got(503, 2, "URX"), VIOLATED),
        (retried(2, status=503), got(503, 4, "URX"), VIOLATED),
        (retried(2, status=503), got(503, 3), VIOLATED),  # something else ended it
        (retried(2, status=503), got(500, 3, "URX"), VIOLATED),
        (retried(2, status=503), Got(503), VIOLATED),  # the log says nothing of it
        (retried(0, status=503), got(503, 1), HOLDS),
        (retried(0, status=503), got(503, 1, "URX"), VIOLATED),
        (retried(0, status=503), got(503, None, "FI"), VIOLATED),
        (retried(1, status=200), got(200, 2), HOLDS),
        (retried(1, status=200), got(200, 1), VIOLATED),
    ],
)
def test_retries(expectation: Retried, answer: Got, wanted: Verdict) -> None:
    """Every answer must come after just so many attempts."""
    assert judge(Invented([answer] * 700), expectation).verdict is wanted


def test_what_is_said() -> None:
    """The reason names what came instead."""
    judgement = judge(Invented([got(503, 1)]), retried(2, status=503))
    assert judgement.reason == "request 1 got 503 - via_upstream (1 attempts) instead of 503 URX after 2 retries"
    assert str(retried(1, status=429)) == "answered 429 URX after 1 retry (but for less than 1 %)"


@pytest.mark.parametrize(
    ("expectation", "rule", "wanted"),
    [
        (retried(2, status=503), {"retries": {"attempts": 2, "retryOn": "5xx"}}, [
            {"retries": {"attempts": 1, "retryOn": "5xx"}},
            {"retries": {"attempts": 3, "retryOn": "5xx"}},
        ]),
        (retried(0, status=503), {}, [{"retries": {"attempts": 1, "retryOn": "503"}}]),
        (retried(0, status=500), {"retries": {"attempts": 1, "retryOn": "gateway-error"}}, [
            {"retries": {"attempts": 1, "retryOn": "gateway-error,500"}},
        ]),
        (retried(1, status=503), {"retries": {"attempts": 1, "retryOn": "5xx"}}, [
            {"retries": {"attempts": 0}},  # beside which Istio takes no retryOn
            {"retries": {"attempts": 2, "retryOn": "5xx"}},
        ]),
        (retried(1, status=200), {"retries": {"attempts": 1}}, [{"retries": {"attempts": 0}}]),
    ],
)  # fmt: skip
def test_controls(expectation: Retried, rule: dict[str, Any], wanted: list[Any]) -> None:
    """One retry less, one more, and a share that is not retried at all."""
    *found, last = [each.edits[0].change(rule) for each in expectation.controls()]
    assert found == wanted
    assert last["fault"]["abort"] == {"httpStatus": expectation.status, "percentage": {"value": 1}}


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for make, words in [
        (lambda: retried(-1, status=503), "0 times or more"),
        (lambda: retried(1, status=99), "from 200 to 599"),
        (lambda: retried(1, status=503, within=0), "within"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()
