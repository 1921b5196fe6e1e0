"""The expectation of a staged rollout: under constant load each stage is split as stated, and no change loses or misroutes a request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from meshtest.judging.answers import Load, Sent
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.defect import defects
from meshtest.judging.experiment import Lab, proved
from meshtest.judging.lossless import Change, Lossless
from meshtest.judging.quickest import duration
from meshtest.judging.split import Split
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.resources.edit import Reweighted

_TOLD = 5  # misrouted requests that are told one by one
_PARTS = 60  # of the time of a flow, as a plot shows it


@dataclass(frozen=True)
class Stage:
    """A split, and what brings it about: these resources, one application after the other; none means other weights in the rule."""

    split: Split
    resources: tuple[Any, ...] = ()

    @property
    def versions(self) -> frozenset[str]:
        """Those that get requests."""
        return frozenset(name for name, weight in self.split.weights.items() if weight)

    def make(self, lab: Lab, between: Any) -> None:
        """Bring it about; `between` is called between two applications."""
        if not self.resources:
            lab.edit([Edit(RULE, Reweighted(_whole(self.split.weights)))])
        for number, each in enumerate(self.resources):
            if number:
                between()
            lab.apply(each)


@dataclass(frozen=True)
class Instead:
    """A rule with the weights `given` has the weights `wrong`; others stay as they are."""

    given: Mapping[str, float]
    wrong: Mapping[str, int]

    def __call__(self, rule: Mapping[str, Any]) -> Any:
        """The changed copy of the rule."""
        found = {each["destination"].get("subset"): each.get("weight", 1) for each in rule.get("route", ())}
        return Reweighted(self.wrong)(rule) if _shares(found) == _shares(self.given) else rule


@dataclass(frozen=True)
class Misrouted:
    """A request whose answer came from a version to which no stage in force at that time sends anything."""

    number: int
    started: float
    version: str | None
    stages: str

    def __str__(self) -> str:
        return f"request {self.number} ({self.started:.3f} s, {self.stages}) was answered by {self.version or 'no version'}"


@dataclass(frozen=True)
class Rollout:
    """Stages, each in force under load until it is proven; the first is what the test has applied.

    Before and after each change, and between its parts, `requests` more of the flow are answered; it has `rate` requests a second over
    `connections`.
    """

    stages: tuple[Stage, ...]
    rate: float = 200
    connections: int = 4
    requests: int = 20
    lossless: Lossless = field(default_factory=Lossless)

    def conduct(self, lab: Lab) -> Judgement:
        """Walk through the stages under load, as far as they are proven."""
        found: list[Judgement] = []
        with lab.kept(), lab.flow(rate=self.rate, connections=self.connections) as flow:
            for number, stage in enumerate(self.stages):
                lab.progress(f"stage {number + 1} of {len(self.stages)}: {stage.split.configured}")
                if number:
                    with flow.change(stage.split.configured):
                        stage.make(lab, lambda: flow.wait(self.requests))
                flow.wait(self.requests)
                found.append(proved(lab, stage.split))
                flow.wait(self.requests)
                if found[-1].verdict is not Verdict.HOLDS:
                    break
            flow.stop()  # before what was changed is taken back
        return self.judge(flow.sample, flow.changes, found)

    def judge(self, load: Load, changes: Sequence[Change], found: Sequence[Judgement]) -> Judgement:
        """The judgement on a flow, the changes during it, and the judgements on the stages that were reached."""
        rows = list(load.rows())
        times = Timeline(self.stages, changes, load.began)
        lost = self.lossless.judge(load, changes)
        astray = list(times.misrouted(rows, self.lossless.statuses))
        verdicts = {lost.verdict, *(each.verdict for each in found), Verdict.VIOLATED if astray else Verdict.HOLDS}
        worst = next(each for each in (Verdict.VIOLATED, Verdict.UNDECIDED, Verdict.HOLDS) if each in verdicts)
        effects = [times.effect(rows, number) for number in range(1, len(found))]
        table = _table(self.stages, found, changes, effects)
        evidence = {
            "expectation": "rollout",
            "table": table,
            "lossless": dict(lost.evidence),
            "misrouted": [str(each) for each in astray[:100]],
            "effects": effects,
            "stages": times.stages_json(found, effects),
            "flow": _flow(rows),
        }
        reason = self._reason(found, lost, astray)
        requests = len(rows) + sum(each.requests for each in found)
        return Judgement(worst, reason, requests, evidence, self._observed(found, lost, astray, effects))

    def _reason(self, found: Sequence[Judgement], lost: Judgement, astray: Sequence[Misrouted]) -> str:
        wrong = [
            f"stage {number} ({stage.split.configured}): {each.reason}"
            for number, (stage, each) in enumerate(zip(self.stages, found, strict=False), 1)
            if each.verdict is not Verdict.HOLDS
        ]
        if lost.verdict is not Verdict.HOLDS:
            wrong.append(lost.reason)
        if astray:
            more = f"; and {len(astray) - _TOLD} more" if len(astray) > _TOLD else ""
            wrong.append(f"{len(astray)} misrouted: {'; '.join(map(str, astray[:_TOLD]))}{more}")
        return (
            "; ".join(wrong)
            or f"all {len(found)} stages were split as stated; {lost.reason}, by the versions of their stage"
        )

    @staticmethod
    def _observed(
        found: Sequence[Judgement], lost: Judgement, astray: Sequence[Misrouted], effects: Sequence[float | None]
    ) -> str:
        reached = sum(each.verdict is Verdict.HOLDS for each in found)
        known = [each for each in effects if each is not None]
        effect = f", in effect after {duration(round(max(known), 3))} at the most" if known else ""
        return f"{reached} stages proven, {lost.observed}, {len(astray)} misrouted{effect}"

    def strict(self) -> Rollout:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, stages=tuple(replace(each, split=each.split.strict()) for each in self.stages))

    def controls(self) -> Sequence[Control]:
        """A stage whose weights are wrong by the margin: the first one with two versions, and the last one; and requests that are lost."""
        shared = next((each for each in self.stages if len(each.versions) > 1), self.stages[0])
        found = [self._wrong(each) for each in dict.fromkeys([self.stages.index(shared), len(self.stages) - 1])]
        return (*found, *self.lossless.controls())

    def _wrong(self, number: int) -> Control:
        split = self.stages[number].split
        defect = defects(split.parameters)[0]
        return Control(f"stage {number + 1}: {defect.name}", (Edit(RULE, Instead(split.weights, defect.weights)),))

    @property
    def configured(self) -> str:
        """`v1 100 %; v1 90 %, v2 10 %`."""
        return "; ".join(each.split.configured for each in self.stages)

    @property
    def error_rates(self) -> str:
        """Of each stage."""
        return "; ".join(dict.fromkeys(each.split.error_rates for each in self.stages))

    def __str__(self) -> str:
        return f"rolled out in stages ({self.configured}) without a request lost or misrouted"


@dataclass(frozen=True)
class Timeline:
    """Which stages were in force when (seconds of the monotonic clock); while a change is made the one before and the one behind are."""

    stages: Sequence[Stage]
    changes: Sequence[Change]
    began: float

    def during(self, begin: float, end: float) -> list[int]:
        """The stages that were in force at some time between these."""
        last = len(self.changes)
        return [
            number
            for number in range(last + 1)
            if (number == 0 or self.changes[number - 1].began <= end)
            and (number == last or begin <= self.changes[number].ended)
        ]

    def stages_json(self, found: Sequence[Judgement], effects: Sequence[float | None]) -> list[dict[str, object]]:
        """The stages that were reached: when each was asked for and in force (seconds from the start), and what was seen in it."""
        changes = [(each.began - self.began, each.ended - self.began) for each in self.changes]
        times = [(0.0, 0.0), *changes]
        return [
            {
                "configured": stage.split.configured,
                "observed": judged.observed,
                "verdict": str(judged.verdict),
                "requests": judged.requests,
                "asked": round(asked, 4),
                "in_force": round(in_force, 4),
                "effect": effect,
            }
            for stage, judged, (asked, in_force), effect in zip(
                self.stages, found, times, [None, *effects], strict=False
            )
        ]

    def misrouted(self, rows: Iterable[Sent], statuses: Sequence[int]) -> Iterable[Misrouted]:
        """Requests that were answered, but by a version that no stage in force gives anything."""
        for number, row in enumerate(rows):
            if row.error is not None or row.status not in statuses:
                continue  # lost
            begin = self.began + row.started
            stages = self.during(begin, begin + row.latency)
            if row.version not in frozenset().union(*(self.stages[each].versions for each in stages)):
                said = " and ".join(str(each + 1) for each in stages)
                yield Misrouted(number, row.started, row.version, f"stage {said}")

    def effect(self, rows: Sequence[Sent], number: int) -> float | None:
        """Seconds from the begin of a change to the first request begun after which every answer fits the new stage.

        A version that gets requests anew has answered by then too. None where no version goes or comes, so that answers do not tell.
        """
        change, old, new = self.changes[number - 1], self.stages[number - 1].versions, self.stages[number].versions
        end = self.changes[number].began if number < len(self.changes) else float("inf")
        mine = [(self.began + row.started, row.version) for row in rows if row.error is None]
        mine = [(begin, version) for begin, version in mine if change.began <= begin < end]
        left = max((begin for begin, version in mine if version in old - new), default=change.began)
        after = [begin for begin, _ in mine if begin > left]
        came = min((begin for begin, version in mine if version in new - old), default=None)
        if not after or (came is None and new - old) or old == new:
            return None
        return max(after[0] if old - new else left, came or left) - change.began


def _flow(rows: Sequence[Sent]) -> dict[str, object]:
    """How many requests of the flow each version answered (or what error there was) in each of at most 60 equal parts of its time."""
    width = max((row.started for row in rows), default=0.0) / _PARTS or 1.0
    counts: dict[str, list[int]] = {}
    for row in rows:
        name = row.error or row.version or str(row.status)
        counts.setdefault(name, [0] * _PARTS)[min(int(row.started / width), _PARTS - 1)] += 1
    return {"seconds": round(width, 4), "versions": counts}


def _table(
    stages: Sequence[Stage], found: Sequence[Judgement], changes: Sequence[Change], effects: Sequence[float | None]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("stage", "observed", "requests", "acknowledged after", "in effect after")]
    for number, (stage, each) in enumerate(zip(stages, found, strict=False)):
        row = (stage.split.configured, each.observed, str(each.requests))
        if number:
            change = changes[number - 1]
            rows.append((*row, _told(change.ended - change.began), _told(effects[number - 1])))
        else:
            rows.append((*row, "-", "-"))
    return rows


def _told(seconds: float | None) -> str:
    return "-" if seconds is None else duration(round(seconds, 3))


def _shares(weights: Mapping[Any, float]) -> dict[Any, Fraction]:
    total = sum(map(Fraction, weights.values())) or 1
    return {name: Fraction(weight) / total for name, weight in weights.items() if weight}


def _whole(weights: Mapping[str, float]) -> dict[str, int]:
    """Relative weights as whole numbers, as a VirtualService wants them."""
    shares = {name: Fraction(weight).limit_denominator(10**6) for name, weight in weights.items()}
    scale = math.lcm(*(each.denominator for each in shares.values()))
    return {name: int(each * scale) for name, each in shares.items()}


def stage(split: Split, *resources: Any) -> Stage:
    """A stage of a rollout that these resources bring about, one after the other: `stage(split(v1=90, v2=10), "canary-10.yaml")`."""
    return Stage(split, resources)


def rollout(
    first: Split, *stages: Split | Stage, rate: float = 200, connections: int = 4, requests: int = 20
) -> Rollout:
    """A rollout in stages under constant load: `rollout(split(v1=100, v2=0), split(v1=90, v2=10), split(v1=0, v2=100))`.

    What the test has applied is the first stage; each other one gives the rule that decides the request its weights, or applies the
    resources of its `stage`. Each is proven by its split while `rate` requests a second go on; none of these may be lost (anything but
    200) or misrouted: answered by a version to which no stage in force at that time sends anything. The finding says how long each
    change took until it was acknowledged, and until it had its effect.
    """
    if not stages:
        raise ValueError("a rollout has two stages at least")
    if rate <= 0 or connections < 1 or requests < 1:
        raise ValueError("the rate of a rollout is above 0, its connections and requests are at least 1")
    made = tuple(each if isinstance(each, Stage) else Stage(each) for each in (first, *stages))
    return Rollout(made, rate, connections, requests)
