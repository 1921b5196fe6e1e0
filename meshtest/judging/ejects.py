"""The experiment of outlier detection: which instance is ejected after how many errors, how many at most, and who gets the traffic. Exact.

Instances are made to fail one after the other, each until it is ejected or has erred once more than it may. An ejection is seen in the
first proxy's view of its hosts (`failed_outlier_check`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from meshtest.errors import MeshError
from meshtest.judging.control import Control, Edit
from meshtest.judging.experiment import Lab
from meshtest.judging.traffic_policy import Policies, policy_edit
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.resources.edit import Put

EJECTED = "failed_outlier_check"
TIMEOUT = "timeout"

_LOOKS = 3  # at the hosts behind an error: an ejection is passed from a worker to the main thread, which gives the view
_SHARE = 100  # requests that say who gets traffic: each of four instances does but for a chance of (3/4)^100 < 1e-12
_MOST = 2000  # requests that an instance may take to err so often
_THRESHOLDS = ("consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveLocalOriginFailures")


@dataclass(frozen=True)
class Round:
    """One instance that was made to fail: after how many errors it was `ejected` (None: it was not, after `errors`), and what came then.

    `reset` says that errors before a success did not count. Then `out` were ejected; `got` is how many requests came
    to each instance, `answers` how often each status came with which flags. It began to fail, and was ejected or not any more, at
    these `times` (seconds, of any clock).
    """

    instance: str
    errors: int
    ejected: bool
    reset: bool
    out: frozenset[str]
    got: Mapping[str, int]
    answers: Mapping[str, int]
    times: tuple[float, float] | None = None


@dataclass(frozen=True)
class Ejects:
    """An instance is ejected after exactly `after` consecutive errors, and no sooner; then it gets no requests.

    Errors are answers with the status `on`, or (`TIMEOUT`) requests that it lets run into the rule's timeout. `after` None: it is never
    ejected for these. Of `of` instances at most `most` are out at the same time; when `panic` are, all of them get requests again. When
    all are out, without panic, requests are answered 503 UH.
    """

    after: int | None
    on: int | str = 503
    of: int = 1
    most: int = 1
    panic: int | None = None
    tries: int = 10

    error_rates = "exact"

    def conduct(self, lab: Lab) -> Judgement:
        """Make one instance after the other fail."""
        instances, rounds = list(lab.instances()), list[Round]()
        for each in instances:
            lab.progress(f"{each} fails")
            rounds.append(_Failing(lab, self, each).round())
            if next(self._wrong(rounds), ""):
                break
            if self._telling(rounds, instances):
                rounds[-1] = _with_traffic(lab, rounds[-1], instances)
            if self._decided(rounds[-1], instances):
                break
        return self.judge(rounds, len(instances))

    def _telling(self, rounds: Sequence[Round], instances: Sequence[Any]) -> bool:
        """Whether it is of interest who gets the traffic now: at the end, and where panic is about to begin."""
        out = len(rounds[-1].out)
        edge = self.panic is not None and self.panic - 1 <= out <= self.panic and rounds[-1].ejected
        return edge or len(rounds) == len(instances)

    def _decided(self, last: Round, instances: Sequence[Any]) -> bool:
        """Whether nothing is left to be seen."""
        return len(last.out) == len(instances) or (self.panic is not None and len(last.out) >= self.panic == self.most)

    def judge(self, rounds: Sequence[Round], instances: int) -> Judgement:
        """The judgement on what was seen; the first thing that is otherwise than stated decides."""
        if instances != self.of:
            why = f"the request can come to {instances} instances, and not to {self.of} (of=)"
            return Judgement(Verdict.UNDECIDED, why, 0)
        wrong = next(self._wrong(rounds), "")
        requests = sum(each.errors + sum(each.answers.values()) for each in rounds)
        rows = [
            ("instance", "errors", "ejected", "out then", "answers then", "requests to each"),
            *(_row(each) for each in rounds),
        ]
        evidence = {"expectation": "ejects", "table": rows, "ejections": _timed(rounds)}
        said = wrong or f"each of {len(rounds)} instances that failed fared as {self.configured} says"
        return Judgement(Verdict.VIOLATED if wrong else Verdict.HOLDS, said, requests, evidence, _observed(rounds))

    def _wrong(self, rounds: Sequence[Round]) -> Iterator[str]:
        out = 0
        for each in rounds:
            if self.after is None or out >= self.most:
                if each.ejected:
                    yield f"{each.instance} was ejected after {each.errors} errors, as number {out + 1}"
            elif not each.ejected:
                yield f"{each.instance} was not ejected, after {each.errors} errors"
            elif each.errors != self.after:
                yield f"{each.instance} was ejected after {each.errors} errors instead of {self.after}"
            elif not each.reset:
                yield f"{each.instance} was ejected after {self.after} errors that a success came between"
            out += each.ejected
            yield from self._traffic(each)

    def _traffic(self, found: Round) -> Iterator[str]:
        """What is wrong with who got the requests then, if that was looked at."""
        if not found.got:
            return
        out, inside = found.out, found.got.keys() - found.out
        panics = self.panic is not None and len(out) >= self.panic
        if not inside and not panics:
            if set(found.answers) != {"503 UH"}:
                yield f"with all instances out requests were answered {_counted(found.answers)} instead of 503 UH"
            return
        if set(found.answers) != {"200 -"}:
            yield f"with {len(out)} instances out requests were answered {_counted(found.answers)}"
        wanted = set(found.got) if panics else inside
        if missed := sorted(each for each in wanted if not found.got[each]):
            yield f"with {len(out)} instances out, {', '.join(missed)} got no requests"
        if more := sorted(each for each in found.got.keys() - wanted if found.got[each]):
            yield f"{', '.join(more)} got requests while out (with {len(out)} of {len(found.got)})"

    def strict(self) -> Ejects:
        """Itself: it is exact."""
        return self

    def controls(self) -> list[Control]:
        """Detectors that eject an error sooner or later, one instance more or fewer, and panic at one more or fewer."""
        found = []
        if self.after is None:
            edit = Edit(
                "DestinationRule", Policies("outlierDetection", Put(("outlierDetection", _THRESHOLDS[0]), self.tries))
            )
            return [Control(f"ejected after {self.tries} errors of any kind", (edit,))]
        for after in (self.after - 1, self.after + 1):
            said = (
                f"after {after} errors instead of {self.after}"
                if after
                else f"never instead of after {self.after} errors"
            )
            found.append(
                Control(f"ejected {said}", (Edit("DestinationRule", Policies("outlierDetection", _Threshold(after))),))
            )
        for most in {self.most - 1, self.most + 1} & set(range(1, self.of + 1)) if self.of > 1 else ():
            edit = policy_edit(("outlierDetection", "maxEjectionPercent"), 100 * most // self.of)
            found.append(Control(f"at most {most} of {self.of} ejected instead of {self.most}", (edit,)))
        for panic in () if self.panic is None else (self.panic - 1, self.panic + 1):
            edit = policy_edit(("outlierDetection", "minHealthPercent"), round(100 * (self.of - panic + 0.5) / self.of))
            found.append(Control(f"panic with {panic} ejected instead of {self.panic}", (edit,)))
        return found

    @property
    def configured(self) -> str:
        """`after 3 x 503, at most 2 of 4`."""
        on = "timeout" if self.on == TIMEOUT else f"{self.on}"
        first = f"after {self.after} x {on}" if self.after is not None else f"never for {on}"
        most = f", at most {self.most} of {self.of}" if self.of > 1 and self.after is not None else ""
        return first + most + (f", panic with {self.panic}" if self.panic is not None else "")

    def __str__(self) -> str:
        return f"kept from instances that fail, which are ejected {self.configured}, and no others"


@dataclass(frozen=True)
class _Threshold:
    """Another number of errors in each threshold that is there; of none in Istio's first."""

    errors: int

    def __call__(self, policy: Mapping[str, Any]) -> Any:
        given = policy.get("outlierDetection") or {}
        names = [name for name in _THRESHOLDS if given.get(name)] or _THRESHOLDS[:1]
        return {**policy, "outlierDetection": {**given, **dict.fromkeys(names, self.errors)}}


@dataclass
class _Failing:
    """One instance on its way to being ejected."""

    lab: Lab
    expectation: Ejects
    instance: Any

    def round(self) -> Round:
        """What happens to it, once its ejection (if it is one) is in force."""
        updates = self._updates()
        reset = self._interrupted()
        began = self.lab.now()
        errors = self._errs(self.expectation.after)
        out = _out(self.lab)
        ejected = self.instance.name in out
        if ejected and not self.lab.until(lambda: self._updates() > updates, 30):
            raise MeshError(f"{self.instance} is ejected, and the proxy's workers have not been told for 30 s")
        return Round(self.instance.name, errors, ejected, reset, out, {}, {}, (began, self.lab.now()))

    def _updates(self) -> int:
        """How often the workers were told of a change in clusters. Envoy tells them of ejections within a second of another together, at
        the end of that second (`update_merge_window` of clusters, one second by default)."""
        found = self.lab.stats("cluster_manager.cluster_updated*")
        return sum(value for name, value in found.items() if name.endswith(("cluster_updated", "via_merge")))

    def _interrupted(self) -> bool:
        """Whether all errors but one, with a success behind them, leave it in (and do not count later)."""
        after = self.expectation.after
        if after is None or after == 1:
            return True
        with self._fails(count=after - 1) as failing:
            self._send_until(lambda: failing.decided >= after - 1, lambda: failing.decided)
        if self.instance.name in _out(self.lab):
            return False
        mark = self.instance.seen()
        self._send_until(lambda: (self.instance.seen() - mark).answered > 0)
        return self.instance.name not in _out(self.lab)

    def _errs(self, after: int | None) -> int:
        """Fails until it is ejected, or has erred once more than it may; after how many errors."""
        most = self.expectation.tries if after is None else after + 1
        with self._fails(count=most) as failing:
            self._send_until(lambda: failing.decided >= most, lambda: failing.decided)
            return int(failing.decided)

    def _fails(self, **which: Any) -> AbstractContextManager[Any]:
        on = self.expectation.on
        made: AbstractContextManager[Any]
        made = self.instance.stalls(**which) if on == TIMEOUT else self.instance.fails(on, **which)
        return made

    def _send_until(self, condition: Callable[[], bool], errors: Callable[[], int] | None = None) -> None:
        """One request after the other, until something is so; or until it is ejected, which is looked at behind each of its errors."""
        seen = 0
        for _ in range(_MOST):
            if condition():
                return
            if errors is not None and (now := errors()) > seen:
                seen = now
                if any(self.instance.name in _out(self.lab) for _ in range(_LOOKS)):
                    return
            self.lab.send(1, connections=1)


def _out(lab: Lab) -> frozenset[str]:
    return frozenset(each.instance for each in lab.destinations() if EJECTED in each.flags)


def _with_traffic(lab: Lab, found: Round, instances: Sequence[Any]) -> Round:
    """Who gets the requests now."""
    lab.send(1, connections=1)  # passes the worker behind the change that it was told of
    before = {each.name: each.seen() for each in instances}
    sample = lab.send(_SHARE, connections=1, causes=True)
    got = {each.name: (each.seen() - before[each.name]).requests for each in instances}
    answers: dict[str, int] = {}
    for answer in sample.answers():
        said = f"{answer.status} {','.join(answer.cause.flags if answer.cause else ()) or '-'}"
        answers[said] = answers.get(said, 0) + 1
    return replace(found, got=got, answers=answers)


def ejects(
    after: int | None,
    *,
    on: int | str = 503,
    of: int = 1,
    most: int | None = None,
    panic: int | None = None,
) -> Ejects:
    """Outlier detection ejects an instance after exactly so many consecutive errors: `ejects(3)`, `ejects(2, on=500, of=4, most=2)`.

    Each of the `of` instances that the request can come to is made to answer `on` (a status), or to let requests run into the rule's
    timeout (`on="timeout"`). At most `most` (all, if it is None) are out at the same time; from `panic` on all get requests again. `after`
    None says that these errors eject nobody. The ejection must outlast the experiment: give it a long `baseEjectionTime`.
    """
    if after is not None and after < 1:
        raise ValueError(f"after is a number of errors from 1 on, or None for never, not {after!r}")
    if not (on == TIMEOUT or (isinstance(on, int) and 400 <= on <= 599)):
        raise ValueError(f"errors are a status from 400 to 599, or {TIMEOUT!r}, not {on!r}")
    most = of if most is None else most
    if not 1 <= most <= of:
        raise ValueError(f"most is from 1 to the number of instances ({of}), not {most!r}")
    if panic is not None and not 1 <= panic <= most:
        raise ValueError(f"panic is with 1 to {most} instances ejected, not {panic!r}")
    return Ejects(after, on, of, most, panic)


def _row(found: Round) -> tuple[object, ...]:
    return (
        found.instance,
        found.errors,
        "yes" if found.ejected else "no",
        len(found.out),
        _counted(found.answers),
        "/".join(map(str, found.got.values())),
    )


def _timed(rounds: Sequence[Round]) -> list[dict[str, object]]:
    """What happened when, in seconds from the first error on; without the rounds whose times are not known."""
    times = [each.times for each in rounds if each.times]
    return [
        {
            "instance": each.instance,
            "errors": each.errors,
            "ejected": each.ejected,
            "from": round(each.times[0] - times[0][0], 4),
            "to": round(each.times[1] - times[0][0], 4),
        }
        for each in rounds
        if each.times
    ]


def _observed(rounds: Sequence[Round]) -> str:
    out = [each for each in rounds if each.ejected]
    return f"{len(out)} of {len(rounds)} that failed ejected, after {', '.join(str(each.errors) for each in rounds)} errors"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.items()) or "nothing"
