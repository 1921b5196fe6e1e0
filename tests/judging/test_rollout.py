"""Staged rollouts: what is lost or misrouted between the stages, when a change has its effect, and controls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from meshtest.judging.rollout import Instead, Timeline, rollout, stage
from meshtest.judging.split import split
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.traffic.flow import Changed

HOLDS, VIOLATED, UNDECIDED = Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED
ROLLOUT = rollout(split(v1=100, v2=0), split(v1=50, v2=50), split(v1=0, v2=100))
CHANGES = [Changed("v1 50 %, v2 50 %", 1001.0, 1001.2), Changed("v2 100 %", 1003.0, 1003.2)]
PROVED = [Judgement(HOLDS, "fine", 100)] * 3


@dataclass(frozen=True)
class Sent:
    """One request of an invented flow."""

    started: float
    version: str | None
    status: int = 200
    error: str | None = None
    latency: float = 0.01


@dataclass(frozen=True)
class Invented:
    """A flow that began at second 1000."""

    requests: Iterable[Sent]
    began: float = 1000.0

    def rows(self) -> Iterable[Sent]:
        return self.requests


RIGHT = [
    *(Sent(n / 10, "v1") for n in range(11)),  # the last one amid the first change
    *(Sent(1.12 + n / 10, ("v2", "v1")[n % 2]) for n in range(19)),
    Sent(3.05, "v1"),
    *(Sent(3.1 + n / 10, "v2") for n in range(20)),
]


def test_a_right_rollout() -> None:
    """All stages proven, none lost, none misrouted; the finding says when each change had its effect."""
    found = ROLLOUT.judge(Invented(RIGHT), CHANGES, PROVED)
    assert found.verdict is HOLDS
    assert found.evidence["effects"] == pytest.approx([0.12, 0.1])
    assert found.observed == "3 stages proven, none lost, 0 misrouted, in effect after 120ms at the most"
    table: Any = found.evidence["table"]
    assert [row[3:] for row in table[1:]] == [("-", "-"), ("200ms", "120ms"), ("200ms", "100ms")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Sent(0.5, "v2"), "(0.500 s, stage 1) was answered by v2"),
        (Sent(3.25, "v1"), "(3.250 s, stage 3) was answered by v1"),
        (Sent(2.0, None), "(2.000 s, stage 2) was answered by no version"),
        (Sent(2.0, None, 503), "got 503"),
        (Sent(2.0, None, 0, "closed"), "got closed"),
    ],
)
def test_one_request_is_enough(wrong: Sent, words: str) -> None:
    """One request that is lost or misrouted is told with its time and stage."""
    found = ROLLOUT.judge(Invented([*RIGHT, wrong]), CHANGES, PROVED)
    assert found.verdict is VIOLATED
    assert words in found.reason


@pytest.mark.parametrize(
    "fine",
    [Sent(1.1, "v2"), Sent(3.1, "v1"), Sent(0.5, "v2", latency=0.6), Sent(3.15, "v2")],
)
def test_while_a_change_is_made_both_stages_count(fine: Sent) -> None:
    """A request under way during a change may be answered as before or as after it."""
    assert not list(Timeline(ROLLOUT.stages, CHANGES, 1000.0).misrouted([fine], (200,)))


def test_a_stage_that_is_not_proven() -> None:
    """What is wrong in a stage is said with it; stages that were not reached are not told."""
    wrong = Judgement(VIOLATED, "v2 got too little", 50)
    found = ROLLOUT.judge(Invented(RIGHT[:15]), CHANGES[:1], [PROVED[0], wrong])
    assert (found.verdict, found.reason) == (VIOLATED, "stage 2 (v1 50 %, v2 50 %): v2 got too little")
    unsure = ROLLOUT.judge(Invented(RIGHT[:5]), [], [Judgement(UNDECIDED, "too few", 5)])
    assert unsure.verdict is UNDECIDED


def test_where_versions_do_not_tell() -> None:
    """Where no version comes or goes the effect is not known; nor before one that comes has answered."""
    more = rollout(split(v1=90, v2=10), split(v1=50, v2=50))
    found = more.judge(Invented(RIGHT[:5]), [Changed("x", 1000.1, 1000.2)], PROVED[:2])
    assert found.evidence["effects"] == [None]
    none_came = Timeline(ROLLOUT.stages, CHANGES[:1], 1000.0).effect([Sent(1.5, "v1")], 1)
    assert none_came is None


def test_controls_change_one_stage() -> None:
    """The weights of the stage that is shared, and of the last one, become wrong by the margin; those of others stay."""
    found = ROLLOUT.controls()
    assert [each.name.partition(":")[0] for each in found] == ["stage 2", "stage 3", "5 % lost"]
    change = found[0].edits[0].change
    rule = {"route": [{"destination": {"host": "r", "subset": "v1"}, "weight": 1}]}
    assert change(rule) == rule
    half = {"route": [{"destination": {"host": "r", "subset": v}, "weight": 50} for v in ("v1", "v2")]}
    weights = {each["destination"]["subset"]: each["weight"] for each in change(half)["route"]}
    assert weights in ({"v1": 11, "v2": 9}, {"v1": 9, "v2": 11})
    assert isinstance(change, Instead)
    assert all(each.split.beta == 1e-6 for each in ROLLOUT.strict().stages)


class Lab:
    """Notes what a stage does."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def edit(self, edits: Any) -> None:
        self.done += [each.change.weights for each in edits]

    def apply(self, *what: Any) -> None:
        self.done += what


def test_what_brings_a_stage_about() -> None:
    """Without resources the rule gets whole weights; with some, each is applied by itself, and there is time between."""
    lab: Any = Lab()
    ROLLOUT.stages[1].make(lab, lambda: lab.done.append("between"))
    stage(split(v1=99.5, v2=0.5), "a.yaml", "b.yaml").make(lab, lambda: lab.done.append("between"))
    rollout(split(v1=1), split(v1=99.5, v2=0.5)).stages[1].make(lab, lambda: None)
    assert lab.done == [{"v1": 50, "v2": 50}, "a.yaml", "between", "b.yaml", {"v1": 199, "v2": 1}]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rollout(split(v1=100)), "two stages"),
        (lambda: rollout(split(v1=100), split(v2=100), rate=0), "above 0"),
    ],
)
def test_senseless_figures(make: Any, words: str) -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match=words):
        make()


def test_what_a_plot_shows() -> None:
    """When each stage was asked for and in force, and how many requests of the flow each version answered in each part of its time."""
    evidence: Any = ROLLOUT.judge(Invented([*RIGHT, Sent(2.0, None, 0, "closed")]), CHANGES, PROVED).evidence
    assert [(each["asked"], each["in_force"], each["effect"]) for each in evidence["stages"]] == [
        (0.0, 0.0, None),
        (1.0, 1.2, pytest.approx(0.12)),
        (3.0, 3.2, pytest.approx(0.1)),
    ]
    flow = evidence["flow"]
    assert {name: sum(counts) for name, counts in flow["versions"].items()} == {"v1": 21, "v2": 30, "closed": 1}
    assert {len(counts) for counts in flow["versions"].values()} == {60}
    assert flow["seconds"] * 60 == pytest.approx(5.0, abs=0.01)
    assert ROLLOUT.judge(Invented([]), [], []).evidence["flow"]["versions"] == {}  # type: ignore[index]
