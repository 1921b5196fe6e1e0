"""Several expectations of the same answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.judging.answers import Answer, Answers, Reading
from meshtest.judging.control import Control
from meshtest.judging.expectation import Composable, Expectation, Trial
from meshtest.judging.verdict import Forecast, Judgement, Verdict

_SEPARATOR, _NOTHING = "\x1f", "\x1e"  # neither is in a header's value, or a version


@dataclass(frozen=True)
class All(Composable):
    """All of these must hold of the same answers.

    A right mesh is called VIOLATED with the sum of their alphas at the most. A mesh in which one of them is violated is called HOLDS with
    that one's beta at the most (an intersection-union test: Berger 1982).
    """

    parts: tuple[Expectation, ...]

    @property
    def causes(self) -> bool:
        """Whether one of them looks at what the first proxy says of each request."""
        return any(each.causes for each in self.parts)

    def reading(self, version: Reading) -> Reading:
        """What each of them reads."""
        return _Readings(tuple(each.reading(version) for each in self.parts))

    def begin(self) -> AllTrial:
        """A new trial of each."""
        return AllTrial([each.begin() for each in self.parts], reread=True)

    def strict(self) -> All:
        """Each with a miss rate of 1e-6."""
        return All(tuple(each.strict() for each in self.parts))

    def controls(self) -> Sequence[Control]:
        """Those of each."""
        return [control for each in self.parts for control in each.controls()]

    @property
    def configured(self) -> str:
        """What each has, one behind the other."""
        return "; ".join(each.configured for each in self.parts)

    @property
    def error_rates(self) -> str:
        """The rates of each, where they differ."""
        return "; ".join(dict.fromkeys(each.error_rates for each in self.parts))

    def __str__(self) -> str:
        return " and ".join(str(each) for each in self.parts)


def both(one: Expectation, other: Expectation) -> All:
    """One and the other; what is a composition already is taken apart."""
    return All((*_parts(one), *_parts(other)))


def _parts(expectation: Expectation) -> tuple[Expectation, ...]:
    return expectation.parts if isinstance(expectation, All) else (expectation,)


@dataclass(frozen=True)
class _Readings:
    """Reads several texts at once, as one."""

    readings: tuple[Reading, ...]

    def __call__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str | None:
        found = (each(status, headers, body) for each in self.readings)
        return _SEPARATOR.join(_NOTHING if each is None else each for each in found)


class AllTrial:
    """Several trials on the same answers: VIOLATED as soon as one is, HOLDS when all do.

    With `reread` what was read from each answer is a text for each of them (`All.reading`).
    """

    def __init__(self, trials: Sequence[Trial], reread: bool = False) -> None:
        self._trials, self._reread = trials, reread

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while there is none."""
        found = [each.verdict for each in self._trials]
        for verdict in (Verdict.VIOLATED, None, Verdict.UNDECIDED):
            if verdict in found:
                return verdict
        return Verdict.HOLDS

    @property
    def requests(self) -> int:
        """How many answers counted so far: for the one that is violated, else for the one that took the most."""
        violated = [each.requests for each in self._trials if each.verdict is Verdict.VIOLATED]
        return min(violated) if violated else max(each.requests for each in self._trials)

    def remaining(self) -> int:
        """About how many more requests lead to HOLDS on a right mesh; 0 once there is a verdict."""
        return 0 if self.verdict else max(each.remaining() for each in self._trials)

    def forecast(self) -> Forecast:
        """That of the one that takes the most."""
        return max((each.forecast() for each in self._trials), key=lambda found: found.mean)

    def suggested_batch(self) -> int:
        """How many requests to send before looking again: as few as one of them wants.

        A time is told by few requests, which then do not stand in line behind the many that a share takes: on a gateway of one thread
        160 new mTLS connections at once made answers 140 to 450 ms later.
        """
        wanted = [each.suggested_batch() for each in self._trials if each.verdict is None]
        return min(wanted, default=0) if self.verdict is None else 0

    def take(self, answers: Answers) -> Verdict | None:
        """Let each look at more answers; those that have their verdict ignore them."""
        for number, each in enumerate(self._trials):
            each.take(_Part(answers, number) if self._reread else answers)
        return self.verdict

    @property
    def observed(self) -> str:
        """What each has seen, one behind the other."""
        return "; ".join(each.observed for each in self._trials)

    def judgement(self) -> Judgement:
        """The verdict so far, with the reason of the one that decided it; `evidence` has a list of all."""
        found = [each.judgement() for each in self._trials]
        verdict = self.verdict or Verdict.UNDECIDED
        deciding = [each for each in found if each.verdict is verdict] or found
        reason = "; ".join(each.reason for each in (found if verdict is Verdict.HOLDS else deciding))
        evidence: dict[str, Any] = {**deciding[0].evidence, "all": [dict(each.evidence) for each in found]}
        return Judgement(verdict, reason, self.requests, evidence, self.observed)


@dataclass(frozen=True)
class _Part:
    """The answers as one of several expectations sees them: with what was read for it."""

    whole: Answers
    number: int

    @property
    def answered(self) -> Sequence[str | None]:
        return [self._read(each) for each in self.whole.answered]

    def answers(self) -> Iterable[Answer]:
        return (_Reread(each, self._read(each.version)) for each in self.whole.answers())

    def _read(self, text: str | None) -> str | None:
        found = (text or _NOTHING).split(_SEPARATOR)[self.number]
        return None if found == _NOTHING else found


@dataclass(frozen=True)
class _Reread:
    """An answer with another text read from it."""

    _answer: Answer
    version: str | None

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def latency(self) -> float:
        return self._answer.latency

    @property
    def cause(self) -> Any:
        return self._answer.cause
