"""Outlier detection, judged by which instances were ejected when, who got requests then, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from meshtest.judging.ejected_for import Away, EjectedFor, ejected_for
from meshtest.judging.ejects import Ejects, Round, ejects
from meshtest.judging.verdict import Verdict

HOLDS, VIOLATED, UNDECIDED = Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED
TIME = EjectedFor(0.4, interval=0.2, tolerance=0.1)


def seen(
    errors: int, out: str, got: Mapping[str, int] | None = None, answer: str = "200 -", reset: bool = True, of: str = ""
) -> Round:
    """One instance (the last that is out, or `of`) that failed."""
    name = of or out[-1]
    return Round(name, errors, name in out, reset, frozenset(out), got or {}, {answer: 100} if got else {})


@pytest.mark.parametrize(
    ("expectation", "rounds", "wanted"),
    [
        (ejects(3), [seen(3, "a", {"a": 0}, "503 UH")], HOLDS),
        (ejects(3), [seen(2, "a")], VIOLATED),
        (ejects(3), [seen(4, "a")], VIOLATED),
        (ejects(3), [seen(4, "", of="a")], VIOLATED),
        (ejects(3), [seen(3, "a", reset=False)], VIOLATED),
        (ejects(3), [seen(3, "a", {"a": 0}, "503 UF")], VIOLATED),
        (ejects(3), [seen(3, "a", {"a": 100})], VIOLATED),
        (ejects(None), [seen(10, "", {"a": 100}, of="a")], HOLDS),
        (ejects(None), [seen(5, "a")], VIOLATED),
        (ejects(1, of=2, most=1), [seen(1, "a"), seen(2, "a", {"a": 0, "b": 100}, of="b")], HOLDS),
        (ejects(1, of=2, most=1), [seen(1, "a"), seen(1, "ab")], VIOLATED),
        (ejects(1, of=2, most=1), [seen(1, "a"), seen(2, "a", {"a": 1, "b": 99}, of="b")], VIOLATED),
        (ejects(1, of=2, most=1), [seen(1, "a"), seen(2, "a", {"a": 0, "b": 100}, "503 -", of="b")], VIOLATED),
        (ejects(1, of=2, panic=2), [seen(1, "a", {"a": 0, "b": 9}), seen(1, "ab", {"a": 4, "b": 5})], HOLDS),
        (ejects(1, of=2, panic=2), [seen(1, "a", {"a": 3, "b": 9})], VIOLATED),
        (ejects(1, of=2, panic=2), [seen(1, "a"), seen(1, "ab", {"a": 0, "b": 0}, "503 UH")], VIOLATED),
    ],
)
def test_exact(expectation: Ejects, rounds: list[Round], wanted: Verdict) -> None:
    """The first thing that is otherwise than stated decides."""
    assert expectation.judge(rounds, expectation.of).verdict is wanted


def test_the_number_of_instances_is_part_of_it() -> None:
    """A share of another number of instances would mean something else."""
    judgement = ejects(1, of=2).judge([], 3)
    assert (judgement.verdict, judgement.reason) == (
        UNDECIDED,
        "the request can come to 3 instances, and not to 2 (of=)",
    )


def test_controls() -> None:
    """Thresholds that are there are off by one, shares and panic by one instance."""
    found = {each.name: each.edits[0].change for each in ejects(2, of=4, most=3, panic=2).controls()}
    policy: dict[str, Any] = {
        "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 2}}
    }

    def changed(name: str) -> Any:
        return found[name](policy)["trafficPolicy"]["outlierDetection"]

    assert changed("ejected after 3 errors instead of 2") == {"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 3}
    assert changed("at most 2 of 4 ejected instead of 3")["maxEjectionPercent"] == 50
    assert changed("panic with 3 ejected instead of 2")["minHealthPercent"] == 38  # a quarter is left: less than that
    assert set(found) >= {"ejected after 1 errors instead of 2", "at most 4 of 4 ejected instead of 3"}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([Away("a", 0.45, 0.5), Away("a", 0.9, 0.95, again=True)], HOLDS),
        ([Away("a", 0.1, 0.3)], VIOLATED),
        ([Away("a", 0.45, 0.5), Away("a", 0.45, 0.5, again=True)], VIOLATED),
        ([Away("a", 0.75, 0.8)] * 3, VIOLATED),
        ([Away("a", 0.75, 0.8), Away("b", 0.2, 0.9), *[Away("a", 0.75, 0.8)] * 2], VIOLATED),
        ([Away("a", 0.75, 0.8)], UNDECIDED),
        (
            [Away("a", 0.75, 0.8), Away("b", 0.5, 0.6), Away("b", 0.9, 1.0, again=True)],
            HOLDS,
        ),  # a slow machine for a while
        ([Away("a", 0.45, 0.5), *[Away("a", 1.2, 1.3, again=True)] * 3], VIOLATED),
        ([Away("a", 0.45, 0.5)], UNDECIDED),
        ([Away("a", 0.1, 0.9), Away("b", 0.9, 1.0, again=True)], UNDECIDED),  # nobody looked
        ([Away("a", 0.45, 0.5), Away("a", 0.2, 2.0, again=True)], UNDECIDED),
    ],
)
def test_times(found: list[Away], wanted: Verdict) -> None:
    """One that is certainly too short decides, or the quickest if it is too long."""
    assert TIME.judge(found).verdict is wanted


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for make, words in [
        (lambda: ejects(0), "from 1 on"),
        (lambda: ejects(1, on=200), "from 400 to 599"),
        (lambda: ejects(1, on="reset"), "or 'timeout'"),
        (lambda: ejects(1, of=2, most=3), "from 1 to the number"),
        (lambda: ejects(1, of=2, most=1, panic=2), "panic is with 1 to 1"),
        (lambda: ejected_for(1, interval=0.1), "longer than 1 s"),
        (lambda: ejected_for(1.1, interval=2), "below the time"),
        (lambda: ejected_for(1.1, interval=0.1, tolerance=0.5), "below a third"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()


def test_what_a_plot_shows() -> None:
    """Of rounds whose times are known: from when to when each instance failed, in seconds from the first error on."""
    rounds = [
        Round("a", 3, True, True, frozenset("a"), {}, {}, (10.0, 10.5)),
        Round("b", 4, False, True, frozenset("a"), {}, {}, (11.0, 12.0)),
        Round("c", 4, False, True, frozenset("a"), {}, {}),
    ]
    evidence = ejects(3, of=3, most=1).judge(rounds, 3).evidence
    assert evidence["ejections"] == [
        {"instance": "a", "errors": 3, "ejected": True, "from": 0.0, "to": 0.5},
        {"instance": "b", "errors": 4, "ejected": False, "from": 1.0, "to": 2.0},
    ]
