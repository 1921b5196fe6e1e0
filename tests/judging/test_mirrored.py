"""Mirroring: which requests were copied, by what has arrived."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from meshtest.judging.mirrored import mirrored, sort
from meshtest.judging.verdict import Verdict

PODS = frozenset({"reviews-v2-a", "reviews-v2-b"})


@dataclass(frozen=True)
class Logged:
    """What the first proxy says of a request."""

    number: int
    upstream_instance: str = "reviews-v1-a"
    token: str = "f00"


@dataclass
class Laboratory:
    """Answers requests from memory; every `nth` is copied, of which the last `late` arrive after that many looks."""

    nth: int
    late: int = 0
    sent: int = 0
    name: str = "reviews-v2-a"

    def __post_init__(self) -> None:
        self.requests: list[Any] = []
        self.instances = [self]

    def workload(self, name: str) -> Laboratory:
        assert name == "reviews-v2"
        return self

    def recording(self) -> Laboratory:
        self.requests = []
        return self

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, number: int, causes: bool) -> Any:
        assert causes
        copied = [each for each in range(number) if each % self.nth == 0]
        self.sent += len(copied)
        self.requests = [self._seen(each) for each in copied]
        self._waiting = [self.requests.pop() for _ in range(min(self.late, len(copied)))]
        logged = [SimpleNamespace(cause=Logged(each)) for each in range(number)]
        return SimpleNamespace(answers=lambda: logged)

    @staticmethod
    def _seen(number: int) -> Any:
        return SimpleNamespace(header=lambda name: f"meshtest/f00.{number}" if name == "user-agent" else None)

    def hosts(self, host: str = "*") -> list[Any]:
        ours = SimpleNamespace(instance="reviews-v2-a", stats={"rq_total": self.sent})
        return [ours, SimpleNamespace(instance="reviews-v1-a", stats={"rq_total": 10_000})]

    def stats(self, pattern: str) -> dict[str, int]:
        return {"cluster.x;.upstream_rq_pending_active": 0}

    def until(self, fact: Any, seconds: float = 10) -> bool:
        for _ in range(5):
            if fact():
                return True
            if len(self._waiting) != 3:  # three never come
                self.requests += self._waiting
                self._waiting = []
        return False

    def progress(self, text: str) -> None:
        pass


def test_what_was_copied() -> None:
    """By the token and number of each request; what else arrives does not count."""
    causes = [Logged(0), Logged(1), Logged(2), Logged(3, "reviews-v2-b"), None]
    agents = ["meshtest/f00.0", "meshtest/f00.2", "meshtest/f00.2", "meshtest/f00.3", "meshtest/bad.1", "curl", None]
    wanted = ["copied", "not copied", "copied 2 times", "answered by reviews-v2", None]
    assert list(sort(causes, agents, PODS, "reviews-v2")) == wanted


@pytest.mark.parametrize(
    ("percent", "nth", "late", "wanted"),
    [
        (100, 1, 0, Verdict.HOLDS),
        (100, 1, 2, Verdict.HOLDS),
        (100, 2, 0, Verdict.VIOLATED),
        (50, 2, 0, Verdict.HOLDS),
        (50, 3, 0, Verdict.VIOLATED),
        (50, 2, 3, Verdict.UNDECIDED),
    ],
)
def test_shares(percent: float, nth: int, late: int, wanted: Verdict) -> None:
    """A share within its margin holds, copies that are late are waited for, and those that never arrive leave it open."""
    judgement = mirrored(to="reviews-v2", percent=percent).conduct(Laboratory(nth, late))
    assert judgement.verdict is wanted
    if wanted is Verdict.UNDECIDED:
        assert judgement.reason == "3 of the copies that the proxy sent to reviews-v2 have not arrived there"


def test_controls() -> None:
    """Another percentage of where the rule mirrors to anyway, in either way of writing it."""
    for rule, wanted in [
        ({"mirror": {"host": "reviews"}}, {"mirrorPercentage": {"value": 99.0}}),
        ({"mirrors": [{"destination": {}}]}, {"mirrors": [{"destination": {}, "percentage": {"value": 99.0}}]}),
    ]:
        (control,) = mirrored(to="reviews-v2").controls()
        assert control.edits[0].change(rule) == rule | wanted
        with pytest.raises(ValueError, match="mirrors nothing"):
            control.edits[0].change({})


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match="from 0 to 100"):
        mirrored(to="reviews-v2", percent=101)
