"""Field types of Istio's resources: a value is checked, and comes back as the translation wants it.

A schema is data: `Message({"weight": INT32, ...})`. Reading a value with it reports each problem with its path and gives back a
copy in which durations have Envoy's form, `1.5s`. A null is a mistake, as the API server has it, but for the few fields that
Istio's CRDs call nullable.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from meshtest.resources.document import Path
from meshtest.resources.duration import envoy_duration, nanoseconds


class Report(Protocol):
    """Where problems go."""

    def __call__(self, path: Path, message: str, *, unsupported: bool = False) -> None:
        """Note one problem at `path`."""


class Type(Protocol):
    """What a field may hold."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value` and give it in the form that the translation wants; what is wrong goes to `report`."""


_NAMES = {bool: "a boolean", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a mapping"}


def named(value: Any) -> str:
    """What a value is, for a sentence: `the number 5`, `a mapping`, `nothing (null)`."""
    if value is None:
        return "nothing (null)"
    name = _NAMES.get(type(value), f"a {type(value).__name__}")
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {_digits(value)}"
    return f"the text {_shortened(value)!r}" if isinstance(value, str) else name


def _digits(value: float) -> str:
    return f"{value}" if abs(value) < 10**30 else "of more than 30 digits"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


Check = Callable[[str], str | None]


@dataclass(frozen=True)
class Text:
    """A string of at most `most` characters; `check` may say what is wrong with it."""

    check: Check | None = None
    most: int | None = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, str):
            quotes = ": put it in quotes" if isinstance(value, int | float) else ""
            report(path, f"must be a text; this is {named(value)} to YAML{quotes}")
        elif self.most is not None and len(value) > self.most:
            report(path, f"must have at most {self.most} characters; this has {len(value)}")
        elif self.check and (wrong := self.check(value)):
            report(path, wrong)
        return value


@dataclass(frozen=True)
class Whole:
    """An integer from `least` to `most`."""

    least: int = -(2**31)
    most: int = 2**31 - 1

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            hint = ": take the quotes away" if isinstance(value, str) and value.isdecimal() else ""
            report(path, f"must be a whole number; this is {named(value)}{hint}")
        elif not self.least <= value <= self.most:
            report(path, f"must be from {self.least} to {self.most}; this is {_digits(value)}")
        return value


@dataclass(frozen=True)
class Number:
    """A number from `least` to `most`."""

    least: float = float("-inf")
    most: float = float("inf")

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            report(path, f"must be a number; this is {named(value)}")
        elif not self.least <= value <= self.most:
            report(path, f"must be from {self.least:g} to {self.most:g}; this is {_digits(value)}")
        return value


@dataclass(frozen=True)
class Flag:
    """A boolean."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, bool):
            report(path, f"must be true or false; this is {named(value)}")
        return value


@dataclass(frozen=True)
class Duration:
    """A span of time of at least `least` nanoseconds, or next to nothing where `zero`, in steps of `step`; comes back in Envoy's form.

    The defaults are those of `ValidateDuration` (`pkg/config/validation/agent/validation.go`), a millisecond each.
    """

    zero: bool = False
    least: int = 10**6
    step: int = 10**6

    def read(self, value: Any, path: Path, report: Report) -> Any:
        amount = nanoseconds(value) if isinstance(value, str) else None
        if amount is None:
            report(path, f"must be a duration with its unit, such as 5s, 100ms or 1h30m; this is {named(value)}")
            return "0s"
        if self.zero and 0 <= amount < self.least:
            return envoy_duration(amount)
        if amount < self.least:
            allowed = "0s or more" if not self.least else "at least 1ms"
            hint = ", or 0s" if self.zero else " (where none is meant, take the field away)"
            report(path, f"must be a duration of {allowed}{hint if self.least else ''}; this is {value}")
        elif amount % self.step:
            report(path, f"must be in whole milliseconds; this is {value}")
        return envoy_duration(max(amount, 0))


@dataclass(frozen=True)
class Enum:
    """One of a few words or numbers; those in `later` are Istio's, but not implemented."""

    words: tuple[str | int, ...]
    later: tuple[str, ...] = ()

    def read(self, value: Any, path: Path, report: Report) -> Any:
        known = (*self.words, *self.later)
        if isinstance(value, dict | list | bool) or value not in known:
            words = list(map(str, known))
            near = nearest(value, words) if isinstance(value, str) else ""
            report(path, f"must be one of {', '.join(words)}; this is {named(value)}{near}")
        elif value in self.later:
            report(path, f"{value} is not implemented by the local mesh", unsupported=True)
        return value


@dataclass(frozen=True)
class ListOf:
    """A list, of `least` to `most` items."""

    item: Type
    least: int = 0
    most: int | None = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, list):
            report(path, f"must be a list; this is {named(value)}: put a `-` before each item")
            return []
        if len(value) < self.least:
            report(path, f"must have at least {self.least} item{'s' if self.least > 1 else ''}")
        if self.most is not None and len(value) > self.most:
            report(path, f"must have at most {self.most} items; this has {len(value)}")
        return [self.item.read(item, (*path, index), report) for index, item in enumerate(value)]


@dataclass(frozen=True)
class MapOf:
    """A mapping from at most `most` free keys; `check` may say what is wrong with a key."""

    item: Type
    check: Check | None = None
    most: int | None = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            report(path, f"must be a mapping; this is {named(value)}")
            return {}
        if self.most is not None and len(value) > self.most:
            report(path, f"must have at most {self.most} entries; this has {len(value)}")
        out = {}
        for key, item in value.items():
            if not isinstance(key, str):
                report((*path, named(key)), f"a key must be a text; this is {named(key)}")
                continue
            if self.check and (wrong := self.check(key)):
                report((*path, key), wrong)
            out[key] = self.item.read(item, (*path, key), report)
        return out


Rule = Callable[[Mapping[str, Any], Path, Report], None]


@dataclass(frozen=True)
class Message:
    """A mapping with known fields; with `closed` false others may stand there too, and are kept.

    `required` fields must be there, at most one field of each group in `one_of` may be, `nullable` ones may be null, which
    means absent; `rules` look at the whole, once nothing is wrong inside. `form` shows how one is written.
    """

    fields: Mapping[str, Type]
    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Rule, ...] = ()
    nullable: tuple[str, ...] = ()
    closed: bool = True
    form: str = ""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            form = f" such as {self.form}" if self.form else ""
            report(path, f"must be a mapping{form}; this is {named(value)}")
            return {}
        wrong = 0

        def counted(path: Path, message: str, *, unsupported: bool = False) -> None:
            nonlocal wrong
            wrong += not unsupported
            report(path, message, unsupported=unsupported)

        out = self._fields(value, path, counted)
        for key in self.required:
            if key not in value:
                counted(path, f"the field {key!r} is missing")
        for group in self.one_of:
            if len(both := [key for key in group if key in out]) > 1:
                counted((*path, both[1]), f"{both[1]!r} and {both[0]!r} exclude each other: keep one")
        for rule in self.rules if not wrong else ():
            rule(out, path, report)
        return out

    def _fields(self, value: dict[Any, Any], path: Path, report: Report) -> dict[str, Any]:
        out = {}
        for key, item in value.items():
            if key not in self.fields:
                if self.closed:
                    word = key if isinstance(key, str) else named(key)
                    report((*path, word), f"there is no field {_shortened(word)!r} here{self._known(word)}")
                else:
                    out[key] = item
            elif item is not None:
                out[key] = self.fields[key].read(item, (*path, key), report)
            elif key not in self.nullable:
                report((*path, key), "has no value (null): give it one, or take the field away")
        return out

    def _known(self, key: str) -> str:
        names = sorted(self.fields)
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        return nearest(key, names) or f"; known are {listed}"


@dataclass(frozen=True)
class Unsupported:
    """A field of Istio's that the local mesh does not implement: refused by name, never ignored, once its value is right (`inner`)."""

    note: str = ""
    inner: Type | None = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        wrong = 0

        def counted(path: Path, message: str, *, unsupported: bool = False) -> None:
            nonlocal wrong
            wrong += 1
            report(path, message, unsupported=unsupported)

        out = self.inner.read(value, path, counted) if self.inner else value
        if not wrong:
            note = f": {self.note}" if self.note else ""
            report(path, f"is not implemented by the local mesh{note}", unsupported=True)
        return out


@dataclass(frozen=True)
class Within:
    """A number as `inner` has it that the mesh takes only from `least` to `most`: istiod accepts others, Envoy or its route does not."""

    inner: Type
    least: float
    most: float

    def read(self, value: Any, path: Path, report: Report) -> Any:
        out = self.inner.read(value, path, report)
        number = isinstance(out, int | float) and not isinstance(out, bool)
        if number and not self.least <= out <= self.most:
            report(
                path,
                f"Istio takes {_digits(out)}, but Envoy only what is from {self.least:g} to {self.most:g}",
                unsupported=True,
            )
        return out


def nearest(word: str, known: Iterable[str]) -> str:
    """A question that names the known word nearest to `word`; empty if none is near."""
    folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word[:100].lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


TEXT, FLAG, INT32 = Text(), Flag(), Whole()
UINT32 = Whole(0, 2**32 - 1)
COUNT = Whole(0)
PORT = Whole(1, 65535)
DURATION, DURATION_OR_ZERO = Duration(), Duration(zero=True)
FINE_DURATION, ANY_DURATION = Duration(step=1), Duration(least=0, step=1)
