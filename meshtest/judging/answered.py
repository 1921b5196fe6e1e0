"""The expectation that every answer is as stated: its status, headers, body, and what the first proxy says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from meshtest.judging.answers import Answer, Reading
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable
from meshtest.judging.sequential import EveryTrial
from meshtest.judging.spoiled import Spoiled
from meshtest.judging.text import Text, clipped, contains, fits, named


@dataclass(frozen=True)
class Answered(Composable):
    """Every answer is as stated; what is None is not looked at. A header of None must be missing.

    `within` (percentage points): a mesh in which so many or more answers differ is called HOLDS with a probability of `beta` at the most;
    one that is right is never called VIOLATED.
    """

    status: int | None = None
    headers: Mapping[str, Text | None] = field(default_factory=lambda: MappingProxyType({}))
    body: Text | None = None
    flags: tuple[str, ...] | None = None
    details: Text | None = None
    attempts: int | None = None
    within: float = 1
    beta: float = 1e-3

    @property
    def causes(self) -> bool:
        """Whether it looks at what the first proxy says of each request."""
        return any(each is not None for each in (self.flags, self.details, self.attempts))

    def reading(self, version: Reading) -> Reading:
        """What differs in headers and body, in a few words; an empty text if nothing does."""
        return self._differs

    def _differs(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str:
        given: dict[str, str] = {}
        for name, value in headers:
            key = name.decode("latin-1").lower()
            given[key] = f"{given[key]}, {value.decode('latin-1')}" if key in given else value.decode("latin-1")
        differences = [
            f"{name}: {given.get(name.lower(), 'missing')}"
            for name, wanted in self.headers.items()
            if not fits(wanted, given.get(name.lower()))
        ]
        if self.body is not None and not contains(self.body, body.decode("utf-8", "replace")):
            differences.append(f"the body {clipped(body.decode('utf-8', 'replace'))!r}")
        return ", ".join(differences)

    def begin(self) -> EveryTrial:
        """A new trial; ValueError for senseless figures."""
        from meshtest.judging.split_test import SplitTest

        return EveryTrial(SplitTest({self.configured: 100}, self.within, beta=self.beta), self._sort, self.configured)

    def _sort(self, answer: Answer) -> str:
        """As stated, or what came instead."""
        cause = answer.cause
        right = (self.status is None or answer.status == self.status) and not answer.version
        if cause is not None and self.causes:
            right = right and (self.flags is None or set(cause.flags) == set(self.flags))
            right = right and (self.details is None or fits(self.details, cause.details))
            right = right and (self.attempts is None or cause.attempts == self.attempts)
        elif self.causes:
            right = False
        return self.configured if right else " ".join(self._said(answer))

    def _said(self, answer: Answer) -> Iterator[str]:
        yield str(answer.status)
        if answer.cause is not None:
            yield ",".join(answer.cause.flags) or "-"
            yield answer.cause.details or "-"
            if self.attempts is not None:
                yield f"({answer.cause.attempts} attempts)"
        elif self.causes:
            yield "(the proxy's log says nothing of it)"
        if answer.version:
            yield f"with {answer.version}"

    def strict(self) -> Answered:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> tuple[Control, ...]:
        """A mesh that answers otherwise to just as many requests as `within` says."""
        other = 418 if self.status != 418 else 417
        return (Control(f"{self.within:g} % answered {other}", (Edit(RULE, Spoiled(other, self.within)),)),)

    @property
    def configured(self) -> str:
        """`503 UO`, `301 with location: /new`."""
        first = [str(self.status)] if self.status is not None else []
        first += [",".join(self.flags) or "-"] if self.flags is not None else []
        first += [named(self.details)] if self.details is not None else []
        first += [f"({self.attempts} attempts)"] if self.attempts is not None else []
        more = [f"{name}: {named(wanted)}" for name, wanted in self.headers.items()]
        more += [f"the body {named(self.body)!r}"] if self.body is not None else []
        return " ".join(first or ["any status"]) + (f" with {', '.join(more)}" if more else "")

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"0 / {self.beta:g}"

    def __str__(self) -> str:
        return f"answered {self.configured} (but for less than {self.within:g} %)"


def answered(
    status: int | None = None,
    *,
    headers: Mapping[str, Text | None] | None = None,
    body: Text | None = None,
    flags: str | Sequence[str] | None = None,
    details: Text | None = None,
    attempts: int | None = None,
    within: float = 1,
    beta: float = 1e-3,
) -> Answered:
    """Every answer is as stated: `answered(301, headers={"location": "/new"})`, `answered(404, flags="NR", details="route_not_found")`.

    * ``headers``   exact values, or expressions (`re.compile`) that match them as a whole; None for a header that must be missing
    * ``body``      a text that it contains, or an expression found in it
    * ``flags``     Envoy's response flags, all of them (`"DI,FI"`); `""` or `"-"` for none
    * ``details``   Envoy's response code details
    * ``attempts``  how often the first proxy sent the request upstream

    `within` is in percentage points: so many answers may differ before it matters. ValueError for what makes no sense.
    """
    flagged = None if flags is None else _flags(flags)
    if all(each is None for each in (status, headers, body, flagged, details, attempts)):
        raise ValueError("say what every answer is: a status, headers, a body, flags, details or attempts")
    if status is not None and not 100 <= status <= 599:
        raise ValueError(f"an HTTP status is from 100 to 599, not {status!r}")
    made = Answered(status, MappingProxyType(dict(headers or {})), body, flagged, details, attempts, within, beta)
    made.begin()  # senseless figures are said where they are written
    return made


def _flags(given: str | Sequence[str]) -> tuple[str, ...]:
    several = given.split(",") if isinstance(given, str) else given
    return tuple(each.strip() for each in several if each.strip() not in ("", "-"))
