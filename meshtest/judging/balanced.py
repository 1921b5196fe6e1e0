"""How requests are balanced over instances: in turn, at random, or to those that have fewer requests; each is told from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshtest.judging.answers import Answer, Answers
from meshtest.judging.composition import AllTrial
from meshtest.judging.control import Control, Edit
from meshtest.judging.expectation import Trial
from meshtest.judging.experiment import Lab, Variant
from meshtest.judging.podname import podname, whole
from meshtest.judging.sequential import EveryTrial, SharesTrial
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.resources.edit import Put

ROUND_ROBIN, RANDOM, LEAST_REQUEST = "ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"
HELD = 4
"""So many requests are held by the busy instance: more than any other has, as the rest come one at a time."""

_KINDS = (ROUND_ROBIN, RANDOM, LEAST_REQUEST)
_HOLDING = "x-meshtest-hold"


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """Requests are balanced over the instances of a workload in a way (`kind`, as a DestinationRule has it).

    The first instance holds some requests while others are sent one at a time on one connection. `within` is in percentage points.
    """

    kind: str
    workload: str
    within: float = 5
    alpha: float = 1e-6
    beta: float = 1e-3

    def conduct(self, lab: Lab) -> Judgement:
        """Let the first instance hold requests, and see where others go."""
        workload = lab.workload(self.workload)
        first, *_ = instances = workload.instances
        trial = self.begin([each.name for each in instances])
        busy = {_HOLDING: "1"}
        with (
            lab.flow(variant=Variant(headers=busy), connections=HELD, timeout=60.0),
            first.holds(headers=busy) as hold,
        ):
            hold.wait(HELD, 30.0)
            _fill(trial, lab)
        return trial.judgement()

    def begin(self, instances: Sequence[str]) -> Trial:
        """The trial for instances of these names, the first of which holds requests. ValueError for fewer than two."""
        if len(instances) < 2:
            raise ValueError(
                f"{self.workload} has {len(instances)} instance: nothing can be balanced over fewer than two"
            )
        if self.kind == ROUND_ROBIN:
            return _in_turn(instances, self.within, self.beta)
        if self.kind == RANDOM:
            return self._at_random(instances)
        return self._shares(shares_of_least_request(instances))

    def _at_random(self, instances: Sequence[str]) -> Trial:
        """Equal shares; and the instance of the request before comes again as often as any other."""
        again = self._shares({"again": 1, "another": len(instances) - 1}, _Repeats())
        return AllTrial([self._shares(dict.fromkeys(instances, 1)), again])

    def _shares(self, weights: dict[str, float], sorting: Any = None) -> SharesTrial:
        from meshtest.judging.split_test import SplitTest

        return SharesTrial(SplitTest(weights, self.within, self.alpha, self.beta), sorting)

    def strict(self) -> Balanced:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> list[Control]:
        """DestinationRules that balance in the other ways."""
        return [
            Control(f"{other} instead of {self.kind}", (Edit("DestinationRule", _simple(other)),))
            for other in _KINDS
            if other != self.kind
        ]

    @property
    def configured(self) -> str:
        """`ROUND_ROBIN over echo-v1`."""
        return f"{self.kind} over {self.workload}"

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"{0 if self.kind == ROUND_ROBIN else self.alpha:g} / {self.beta:g}"

    def __str__(self) -> str:
        return f"balanced by {self.configured} (within {self.within:g} points)"


def _simple(kind: str) -> Put:
    return Put(("trafficPolicy", "loadBalancer"), {"simple": kind})


def _fill(trial: Trial, lab: Lab) -> None:
    while trial.verdict is None:
        batch = trial.suggested_batch()
        trial.take(whole(lab.send(batch, connections=1, reading=podname), batch))
        lab.progress(f"{trial.requests} requests, {trial.observed}; about {trial.remaining()} more")
    lab.progress("")


def shares_of_least_request(instances: Sequence[str]) -> dict[str, float]:
    """The weights of the instances if the first is busy and the others are not: 1 in K² for the first of K.

    Envoy draws two hosts independently, perhaps the same one twice, and takes the one with fewer active requests, the first drawn if they
    are equal (`unweightedHostPickNChoices`, least_request_lb.cc): a busy one is taken only if it is drawn twice.
    """
    first, *others = instances
    count = len(instances)
    return {first: len(others), **dict.fromkeys(others, float(count * count - 1))}


class _Repeats:
    """Whether the instance of the request before answered again; at random that is so independently, once in as many as there are."""

    def __init__(self) -> None:
        self._last: str | None = None

    def __call__(self, answer: Answer) -> str:
        again, self._last = answer.version == self._last, answer.version
        return "again" if again else "another"


IN_TURN = "in turn"


class _Turns:
    """Whether each instance comes once in any run of as many requests as there are instances."""

    def __init__(self, instances: Sequence[str]) -> None:
        self._instances = instances
        self.recent: list[str] = []

    def __call__(self, answer: Answer) -> str:
        name = answer.version
        if name is None or name not in self._instances:
            return f"an answer of {name or 'no instance'}"
        before = self.recent[-(len(self._instances) - 1) :]
        self.recent = [*before, name]
        return f"{name} twice among {len(self._instances)}" if name in before else IN_TURN


class _TurnsTrial(EveryTrial):
    """Turns within each batch: another batch is another connection, perhaps to another of Envoy's workers, which has turns of its own."""

    def __init__(self, test: Any, turns: _Turns) -> None:
        super().__init__(test, turns, IN_TURN)
        self._turns = turns

    def take(self, answers: Answers) -> Verdict | None:
        """Look at more answers, of one connection."""
        self._turns.recent = []
        return super().take(answers)


def _in_turn(instances: Sequence[str], within: float, beta: float) -> Trial:
    from meshtest.judging.split_test import SplitTest

    return _TurnsTrial(SplitTest({IN_TURN: 100}, within, beta=beta), _Turns(instances))


def balanced(kind: str, workload: str, *, within: float = 5, alpha: float = 1e-6, beta: float = 1e-3) -> Balanced:
    """Requests are balanced over the instances of a workload: `balanced("ROUND_ROBIN", "reviews-v2")`.

    * ``ROUND_ROBIN``    one connection meets each instance once in any run of as many requests as there are instances; exact
    * ``RANDOM``         all have equal shares, one that holds requests too, and a request says nothing of the next
    * ``LEAST_REQUEST``  of K instances the one that holds requests gets 1/K², the others equal shares of the rest

    Nothing else may be sent to the workload meanwhile. `within` is in percentage points: of the shares, or of the requests that may be out
    of turn before it matters. ValueError for other kinds.
    """
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no way of balancing that can be told: use {', '.join(_KINDS)}")
    made = Balanced(kind=kind, workload=workload, within=within, alpha=alpha, beta=beta)
    made.begin(["one", "other"])  # senseless figures are said where they are written
    return made
