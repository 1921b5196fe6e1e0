"""The experiment of how long an ejection lasts: the first of an instance, and a second that follows at once.

An ejection ends with the first tick of `interval` behind `baseEjectionTime` times the number of ejections in a row (Envoy,
source/common/upstream/outlier_detection_impl.cc, `checkHostForUneject`). A slow machine makes it seem longer, so that the quickest of
several ejections decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from meshtest.errors import MeshError
from meshtest.judging.control import Control
from meshtest.judging.ejects import EJECTED
from meshtest.judging.experiment import Lab
from meshtest.judging.quickest import duration
from meshtest.judging.traffic_policy import policy_edit
from meshtest.judging.verdict import Judgement, Verdict

MERGED = 1.0
"""Seconds: Envoy tells its workers of changes within that time of another together, at its end (`update_merge_window` of clusters)."""

_ENOUGH = 3  # ejections that are too long, and none that is not
_EVERY = 0.02  # seconds between two looks
_RATE = 100.0  # requests a second, so that an instance that is in errs soon


@dataclass(frozen=True)
class Away:
    """An ejection: it lasted at least `least` and at most `most` seconds; `again` is whether it followed the one before within a tick."""

    instance: str
    least: float
    most: float
    again: bool = False


@dataclass(frozen=True)
class EjectedFor:
    """An instance that errs once is out for `seconds`, and `interval` more at the most; one that errs again at once, twice as long.

    `tolerance` (seconds) is what measuring may add. `on` is the status of the error.
    """

    seconds: float
    interval: float
    on: int = 500
    tolerance: float = 0.15
    tries: int = 8

    error_rates = "time"

    def conduct(self, lab: Lab) -> Judgement:
        """Eject instances, one after the other, until one was out as long as stated, and again at once after its return."""
        found: list[Away] = []
        with lab.flow(rate=_RATE, connections=1):
            for each in islice(cycle(lab.instances()), self.tries):
                lab.progress(f"{each} is ejected")
                ejection = _Ejection(lab, self, each)
                found += ejection.once()
                if found and found[-1].least <= self._limit(
                    again=False
                ):  # else a slow machine, or a wrong mesh: the next one tells
                    found += ejection.once()
                if self._decided(found):
                    break
        return self.judge(found)

    def _limit(self, again: bool) -> float:
        """What the quickest must not exceed (seconds)."""
        return self.seconds * (2 if again else 1) + self.interval + self.tolerance

    def _decided(self, found: Sequence[Away]) -> bool:
        return self.judge(found).verdict is not Verdict.UNDECIDED

    def judge(self, found: Sequence[Away]) -> Judgement:
        """The judgement on what was seen: one that is too short decides at once, three that are too long where none is not."""
        wrong = next(self._short(found), "") or next(self._long(found), "")
        missing = [self._name(again) for again in (False, True) if not self._sure(found, again)]
        verdict = Verdict.VIOLATED if wrong else Verdict.UNDECIDED if missing else Verdict.HOLDS
        undecided = (
            f"no {' and no '.join(missing)} was seen from its begin to its end: the machine is too slow"
            if missing
            else ""
        )
        rows = [("instance", "time", "at least", "at most"), *(_row(each) for each in found)]
        observed = ", ".join(f"{'again ' if each.again else ''}{each.least:.2f} to {each.most:.2f} s" for each in found)
        evidence = {"expectation": "ejected_for", "table": rows}
        reason = (
            wrong or undecided or f"ejections lasted as long as {self.configured} says, and twice that the second time"
        )
        return Judgement(verdict, reason, len(found), evidence, observed)

    def _sure(self, found: Sequence[Away], again: bool) -> bool:
        """Whether one was certainly as long as stated, and one certainly no longer."""
        of = [each for each in found if each.again is again]
        least = self.seconds * (2 if again else 1) - self.tolerance
        return any(each.least >= least for each in of) and any(each.most <= self._limit(again) for each in of)

    @staticmethod
    def _name(again: bool) -> str:
        return "second ejection within a tick of the first" if again else "first ejection"

    def _short(self, found: Sequence[Away]) -> Iterator[str]:
        for each in found:
            wanted = self.seconds * (2 if each.again else 1)
            if each.most < wanted - self.tolerance / 2:
                which = "a second time " if each.again else ""
                yield f"{each.instance} was out {which}for {each.most:.2f} s at the most instead of {wanted:g} s"

    def _long(self, found: Sequence[Away]) -> Iterator[str]:
        """What is wrong if none of several was certainly short enough, though some were certainly too long."""
        for again in (False, True):
            of = [each for each in found if each.again is again]
            limit = self._limit(again)
            late = [each for each in of if each.least > limit]
            if len(late) >= _ENOUGH and all(each.most > limit for each in of):
                quickest = min(each.least for each in late)
                yield f"{len(late)} ejections lasted {quickest:.2f} s and longer, instead of {limit:.2f} s at the most"

    def strict(self) -> EjectedFor:
        """Itself; its controls are off by more than measuring adds."""
        return self

    def controls(self) -> list[Control]:
        """A base time that is shorter, or longer, than an interval and what measuring adds can hide."""
        margin = self.interval + 2 * self.tolerance
        shorter, longer = max(self.seconds - margin, 0.001), self.seconds + margin
        path = ("outlierDetection", "baseEjectionTime")
        return [
            Control(
                f"ejected for {duration(each)} instead of {duration(self.seconds)}",
                (policy_edit(path, f"{each:g}s"),),
            )
            for each in (round(shorter, 3), round(longer, 3))
        ]

    @property
    def configured(self) -> str:
        """`1.05s (looked at every 300ms)`."""
        return f"{duration(self.seconds)} (looked at every {duration(self.interval)})"

    def __str__(self) -> str:
        return f"kept from an instance that failed for {self.configured}, and for twice that if it fails again at once"


@dataclass
class _Ejection:
    """One instance that is ejected, and comes back."""

    lab: Lab
    expectation: EjectedFor
    instance: Any
    returned: float = float("-inf")

    def once(self) -> list[Away]:
        """Make it err once, and see it go and come back; nothing if it was back before anybody looked."""
        asked, before = self.lab.now(), self._ejections()
        with self.instance.fails(self.expectation.on, count=1):
            self._see(lambda out: out or self._ejections() > before)
        _, seen, out = self._look()
        if not out:
            return []
        again = seen - self.returned < self.expectation.interval
        last = [seen]
        back = self._see(lambda out: not out, last)
        self.returned = last[0]
        return [Away(self.instance.name, last[0] - seen, back - asked, again)]

    def _ejections(self) -> int:
        return sum(self.lab.stats("cluster.*.outlier_detection.ejections_enforced_total").values())

    def _look(self) -> tuple[float, float, bool]:
        """When a look at it was begun and ended, and whether it is out."""
        begun = self.lab.now()
        out = any(each.instance == self.instance.name and EJECTED in each.flags for each in self.lab.destinations())
        return begun, self.lab.now(), out

    def _see(self, wanted: Callable[[bool], bool], last: list[float] | None = None) -> float:
        """When a look ended that saw what is wanted; `last` gets when the last one that saw it out was begun."""
        ended = 0.0

        def seen() -> bool:
            nonlocal ended
            begun, ended, out = self._look()
            if out and last is not None:
                last[0] = begun
            return wanted(out)

        if not self.lab.until(seen, 30, _EVERY):
            raise MeshError(f"{self.instance} has not been ejected, or has not returned, for 30 s")
        return ended


def ejected_for(seconds: float, *, interval: float, on: int = 500, tolerance: float = 0.15) -> EjectedFor:
    """An ejection lasts so long, and up to an interval longer: `ejected_for(1.05, interval=0.3)`; a second one at once twice as long.

    These are `baseEjectionTime` and `interval` of an outlier detection that ejects after one error (`on` is its status); the time must be
    above `interval` and three times the `tolerance` (seconds), which is what measuring may add. There are eight tries, until one is as
    stated: a slow machine does not matter, unless it slows each of them. The instance can only fail again within a tick where workers
    learn at once that it is back (`mesh_needs("prompt-ejections")`): not in a cluster, where Envoy tells them up to a second later.
    """
    if seconds <= MERGED:
        raise ValueError(
            f"ejections must last longer than {MERGED:g} s, not {seconds!r}: Envoy may tell its workers only then of a return"
        )
    if not 0 < interval < seconds:
        raise ValueError(f"the interval is above 0 and below the time of the ejection, not {interval!r}")
    if not 0 < tolerance < seconds / 3:
        raise ValueError(f"the tolerance is above 0 and below a third of the time, not {tolerance!r}")
    return EjectedFor(seconds, interval, on, tolerance)


def _row(found: Away) -> tuple[str, ...]:
    return found.instance, "second" if found.again else "first", f"{found.least:.3f} s", f"{found.most:.3f} s"
