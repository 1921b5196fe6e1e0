"""Where keys lead: judged without a mesh."""

from __future__ import annotations

import random
from typing import Any

import pytest

from meshtest.judging.keys import Keys, least_keys, most_moved
from meshtest.judging.sticky import sticky
from meshtest.judging.verdict import Verdict

HOLDS, VIOLATED = Verdict.HOLDS, Verdict.VIOLATED
NAMES = ["a", "b", "c"]
CHANCE = random.Random(1)
FIRST = [CHANCE.choice(NAMES) for _ in range(300)]
ANYWHERE = [CHANCE.choice(NAMES) for _ in range(60)]
WITHOUT = [each if each != "c" else "a" for each in FIRST]


def dealt_anew() -> list[str]:
    """All keys anew, over the two that stay."""
    return [CHANCE.choice("ab") for _ in FIRST]


def changed(places: list[str], number: int, to: str | None) -> list[str | None]:
    """The places with another one for a key."""
    return [*places[:number], to, *places[number + 1 :]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rounds": [FIRST, FIRST]}, ""),
        ({"rounds": [FIRST, FIRST], "anonymous": ANYWHERE}, ""),
        ({"rounds": [FIRST], "without": WITHOUT, "back": FIRST}, ""),
        ({"rounds": [["a"], ["a"]], "spread": False}, ""),
        (
            {"rounds": [["a"], ["b"]], "spread": False},
            "1 of 1 keys led elsewhere when they were sent for the second time",
        ),
        ({"rounds": [FIRST, FIRST, changed(FIRST, 7, "d")]}, "an answer of d, and not of a, b, c"),
        ({"rounds": [changed(FIRST, 7, None)]}, "an answer of no instance"),
        ({"rounds": [FIRST, dealt_anew()]}, "led elsewhere"),
        ({"rounds": [["a"] * 300] * 2}, "b has 0 of 300 keys, fewer than"),
        ({"rounds": [FIRST, FIRST], "anonymous": ["a"] * 60}, "60 requests without a key never reached b, c"),
        ({"rounds": [FIRST], "without": FIRST, "back": FIRST}, "answers of c while it was away"),
        ({"rounds": [FIRST], "without": dealt_anew(), "back": FIRST}, "moved that c did not have"),
        ({"rounds": [FIRST], "without": WITHOUT, "back": WITHOUT}, "led elsewhere when c had come back"),
    ],
)
def test_keys(given: dict[str, Any], words: str) -> None:
    """What holds, and each thing that can be wrong, in its own words."""
    judgement = Keys(NAMES, **given).judgement()
    assert judgement.verdict is (VIOLATED if words else HOLDS)
    assert words in judgement.reason


def test_moves_are_counted() -> None:
    """Keys of the one that left are not among those that moved."""
    first = [*"aabbcc"]
    found = Keys(NAMES, [first], without=[*"abbbab"], back=first, spread=False)
    assert (found.staying, found.moved, found.requests) == (4, 1, 18)


def test_bounds() -> None:
    """Bounds that a right mesh misses with a probability of 1e-6, and that a wrong one meets rarely."""
    from scipy.stats import binom

    assert binom.cdf(least_keys(300, 3) - 1, 300, 0.25) < 1e-6
    assert least_keys(60, 3) >= 1
    assert binom.sf(most_moved(200, 20), 200, 0.2) < 1e-6
    assert binom.cdf(most_moved(200, 20), 200, 0.5) < 1e-4
    assert most_moved(200, 0) == 0


def test_controls() -> None:
    """Other balancers are put in place of the hash; of one by the source's address none that is the same."""
    found = [each.edits[0].change({"host": "echo"}) for each in sticky("echo-v1", header="x-user").controls()]
    balancers = [each["trafficPolicy"]["loadBalancer"] for each in found]
    assert balancers == [
        {"simple": "ROUND_ROBIN"},
        {"consistentHash": {"httpHeaderName": "x-meshtest-other"}},
        {"consistentHash": {"useSourceIp": True}},
    ]
    assert len(sticky("echo-v1", source=True).controls()) == 2


def test_cookies_are_read() -> None:
    """The instance and the cookie are read from an answer; another cookie is none of ours."""
    expectation = sticky("echo-v1", cookie="session", generated=True, attributes=["Max-Age=60"])
    headers = [(b"set-cookie", b"other=1"), (b"set-cookie", b'session="1f"; Max-Age=60; HttpOnly')]
    read = expectation._read(200, headers, b'{"podname": "echo-v1-1"}')
    assert read == 'echo-v1-1\x1fsession="1f"; Max-Age=60; HttpOnly'
    assert expectation._is_ours("session=1; Max-Age=60")
    assert not expectation._is_ours("session=1; Max-Age=6")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "one key"),
        ({"header": "x", "query": "y"}, "one key"),
        ({"header": "x", "generated": True}, "only a cookie"),
        ({"header": "x", "attributes": ["Path=/"]}, "only a cookie"),
        ({"cookie": "x", "generated": True, "leaves": True}, "leaves="),
        ({"source": True, "leaves": True}, "leaves="),
        ({"header": "x", "moves": 50}, "percent"),
    ],
)
def test_senseless_figures(given: dict[str, Any], words: str) -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match=words):
        sticky("echo-v1", **given)


def test_what_is_said() -> None:
    """An experiment says what must hold."""
    assert str(sticky("echo-v1", header="x-user")) == "sticky by the header x-user"
    said = "sticky by the query parameter user, and kept (but for 20 %) when an instance leaves"
    assert str(sticky("echo-v1", query="user", leaves=True)) == said
