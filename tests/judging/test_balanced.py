"""Ways of balancing, told from each other by the instances that answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import cycle, islice

import pytest

from meshtest.errors import MeshError
from meshtest.judging.balanced import balanced, shares_of_least_request
from meshtest.judging.podname import podname, whole
from meshtest.judging.verdict import Verdict
from tests.judging.answers import Got, Invented

HOLDS, VIOLATED = Verdict.HOLDS, Verdict.VIOLATED
NAMES = ["busy", "idle", "other"]
NUMBER = 4000


def in_turn() -> list[str]:
    return list(islice(cycle(NAMES), NUMBER))


def at_random() -> list[str]:
    chance = random.Random(3)
    return [chance.choice(NAMES) for _ in range(NUMBER)]


def fewer_of_two() -> list[str]:
    """As Envoy does it: two draws, perhaps the same, of which the idle one is taken."""
    chance = random.Random(4)

    def pick() -> str:
        one, two = chance.choice(NAMES), chance.choice(NAMES)
        return two if one == "busy" else one

    return [pick() for _ in range(NUMBER)]


def in_pairs() -> list[str]:
    """Equal shares, but each comes twice."""
    return [each for each in at_random() for _ in range(2)]


def judged(kind: str, places: list[str], within: float = 5) -> Verdict | None:
    trial = balanced(kind, "echo-v1", within=within).begin(NAMES)
    return trial.take(Invented([Got(version=each) for each in places]))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("ROUND_ROBIN", in_turn, [at_random, fewer_of_two, in_pairs]),
        ("RANDOM", at_random, [in_turn, fewer_of_two, in_pairs]),
        ("LEAST_REQUEST", fewer_of_two, [in_turn, at_random, in_pairs]),
    ],
)
def test_kinds(kind: str, right: Callable[[], list[str]], wrong: list[Callable[[], list[str]]]) -> None:
    """Each holds, and no other is taken for it."""
    assert judged(kind, right()) is HOLDS
    assert [judged(kind, each()) for each in wrong] == [VIOLATED] * len(wrong)


@pytest.mark.parametrize("kind", ["ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"])
def test_strangers(kind: str) -> None:
    """An answer of another instance, or of none, is a violation."""
    for stranger in (Got(version="stranger"), Got(503)):
        trial = balanced(kind, "echo-v1").begin(NAMES)
        assert trial.take(Invented([stranger])) is VIOLATED


def test_turns_begin_anew() -> None:
    """Another connection may begin with any instance, where turns within each are right; a slip within one is told."""
    trial = balanced("ROUND_ROBIN", "echo-v1").begin(NAMES)
    for start in range(3):
        assert trial.take(Invented([Got(version=each) for each in in_turn()[start : start + 30]])) is None
    trial.take(Invented([Got(version=each) for each in ("busy", "idle", "busy")]))
    assert trial.verdict is VIOLATED
    assert trial.judgement().reason == "request 93 got busy twice among 3 instead of in turn"


def test_shares_of_least_request() -> None:
    """Of K instances the busy one gets one in K squared; as two draws with replacement have it."""
    weights = shares_of_least_request(NAMES)
    total = sum(weights.values())
    assert [round(each / total, 9) for each in weights.values()] == [round(each / 9, 9) for each in (1, 4, 4)]
    pair = shares_of_least_request(["busy", "idle"])
    assert pair["busy"] / sum(pair.values()) == 0.25


def test_controls() -> None:
    """The other ways are put in its place."""
    found = [each.edits[0].change({}) for each in balanced("RANDOM", "echo-v1").controls()]
    wanted = [{"trafficPolicy": {"loadBalancer": {"simple": kind}}} for kind in ("ROUND_ROBIN", "LEAST_REQUEST")]
    assert found == wanted


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match="no way of balancing"):
        balanced("PASSTHROUGH", "echo-v1")
    with pytest.raises(ValueError, match="within"):
        balanced("RANDOM", "echo-v1", within=0)
    with pytest.raises(ValueError, match="fewer than two"):
        balanced("RANDOM", "echo-v1").begin(["only"])


def test_pods_are_read() -> None:
    """The pod's name stands in the JSON; where a request got no answer nothing is judged."""
    assert podname(200, [], b'{"podname": "echo-v1-1", "x": 1}') == "echo-v1-1"
    assert podname(503, [], b"no healthy upstream") is None
    with pytest.raises(MeshError, match="1 of 3"):
        whole(Invented([Got(), Got()]), 3)
