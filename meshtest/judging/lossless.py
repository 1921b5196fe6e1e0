"""The expectation that no request is lost while something is changed under load. Exact: chance plays no part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from meshtest.judging.answers import Load, Sent
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.experiment import Lab
from meshtest.judging.spoiled import Spoiled
from meshtest.judging.verdict import Judgement, Verdict

_TOLD = 5  # lost requests that are told one by one


class Change(Protocol):
    """What was changed while requests were sent, from when to when (seconds of the monotonic clock)."""

    @property
    def what(self) -> str:
        """What it was."""

    @property
    def began(self) -> float:
        """When it was begun."""

    @property
    def ended(self) -> float:
        """When it was in force."""


@dataclass(frozen=True)
class Loss:
    """A request that was lost: its number, when it was begun (seconds from the start), what came instead, and amid what change."""

    number: int
    started: float
    came: str
    amid: str

    def __str__(self) -> str:
        return f"request {self.number} ({self.started:.3f} s, {self.amid}) got {self.came}"


@dataclass(frozen=True)
class Lossless:
    """Every request has one of these statuses, none a transport error; of `during`, each change is made under load.

    `rate` bounds the requests begun a second, `connections` how many are under way at once. Before, between and after the changes
    `requests` more are answered.
    """

    statuses: tuple[int, ...] = (200,)
    during: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    requests: int = 100
    rate: float | None = None
    connections: int | None = None

    error_rates = "exact"

    def judge(self, load: Load, changes: Iterable[Change] = ()) -> Judgement:
        """The judgement on all requests of a flow, during which this was changed: `lossless().judge(flow.sample, flow.changes)`."""
        rows, made = list(load.rows()), list(changes)
        lost = [
            Loss(number, row.started, row.error or str(row.status), _amid(load.began + row.started, row.latency, made))
            for number, row in enumerate(rows)
            if row.error is not None or row.status not in self.statuses
        ]
        verdict = Verdict.VIOLATED if lost else Verdict.HOLDS if rows else Verdict.UNDECIDED
        return Judgement(verdict, _reason(rows, lost, made), len(rows), _evidence(rows, lost, made), _observed(lost))

    def conduct(self, lab: Lab) -> Judgement:
        """Make the changes under load, and judge all requests."""
        if not self.during:
            raise ValueError(
                "lossless() alone is for the sample of a flow (`judge`); say what is to be changed: during={...}"
            )
        with lab.flow(rate=self.rate, connections=self.connections) as flow:
            flow.wait(self.requests)
            for what, make in self.during.items():
                lab.progress(what)
                with flow.change(what):
                    make()
                flow.wait(self.requests)
        return self.judge(flow.sample, flow.changes)

    def strict(self) -> Lossless:
        """Itself, with enough requests for a control's loss to be among them but for a chance of 1e-6."""
        return Lossless(self.statuses, self.during, max(self.requests, 270), self.rate, self.connections)

    def controls(self) -> Sequence[Control]:
        """A mesh that loses a twentieth all the while."""
        other = next(each for each in (418, 417, 416) if each not in self.statuses)
        return (Control("5 % lost", (Edit(RULE, Spoiled(other, 5)),)),)

    @property
    def configured(self) -> str:
        """`all 200`."""
        return f"all {' or '.join(map(str, self.statuses))}"

    def __str__(self) -> str:
        return f"lossless ({self.configured})" + (f" during {', '.join(self.during)}" if self.during else "")


def lossless(
    *statuses: int,
    during: Mapping[str, Callable[[], object]] | None = None,
    requests: int = 100,
    rate: float | None = None,
    connections: int | None = None,
) -> Lossless:
    """No request is lost: `lossless().judge(flow.sample, flow.changes)`, or `lossless(during={"a restart": cart.restarts})`.

    `statuses` are those that a request may get (200 if none is given). With `during` it is an experiment: each of these is done under
    load, in this order, with `requests` more answered before, between and after; `rate` and `connections` are those of a flow.
    """
    if not all(100 <= each <= 599 for each in statuses):
        raise ValueError(f"statuses are from 100 to 599, not {', '.join(map(str, statuses))}")
    if requests < 1:
        raise ValueError(f"requests is at least 1, not {requests!r}")
    return Lossless(statuses or (200,), dict(during or {}), requests, rate, connections)


def _amid(started: float, latency: float, changes: Sequence[Change]) -> str:
    """What was being changed while a request was under way, or else what it came after."""
    during = [each.what for each in changes if each.began <= started + latency and started <= each.ended]
    if during:
        return f"during {', '.join(during)}"
    before = [each.what for each in changes if each.ended < started]
    return f"after {before[-1]}" if before else "before any change"


def _observed(lost: Sequence[Loss]) -> str:
    return f"{len(lost)} lost ({_kinds(lost)})" if lost else "none lost"


def _kinds(lost: Sequence[Loss]) -> str:
    return ", ".join(f"{count} x {came}" for came, count in Counter(each.came for each in lost).most_common())


def _reason(rows: Sequence[Sent], lost: Sequence[Loss], changes: Sequence[Change]) -> str:
    over = f" over {len(changes)} change{'s' if len(changes) != 1 else ''}" if changes else ""
    if not rows:
        return "no request was sent"
    if not lost:
        return f"all {len(rows)} requests{over} were answered as stated"
    first = "; ".join(map(str, lost[:_TOLD]))
    more = f"; and {len(lost) - _TOLD} more" if len(lost) > _TOLD else ""
    return f"{len(lost)} of {len(rows)} requests{over} were lost: {first}{more}"


def _evidence(rows: Sequence[Sent], lost: Sequence[Loss], changes: Sequence[Change]) -> dict[str, object]:
    amid = Counter(each.amid for each in lost)
    return {
        "expectation": "lossless",
        "sent": len(rows),
        "lost": [
            {"number": each.number, "started": each.started, "came": each.came, "amid": each.amid}
            for each in lost[:100]
        ],
        "changes": [{"what": each.what, "seconds": each.ended - each.began} for each in changes],
        "table": [("lost", "when"), *((count, when) for when, count in amid.items())],
    }
