"""Field types of Istio's resources: a value is checked, and comes back as the translation wants it.

A schema is data: `Message({"weight": INT32, ...})`. Reading a value with it reports each problem with its path and gives back a
copy without nulls (the API server prunes them) in which durations have Envoy's form, `1.5s`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from decimal import Decimal
from typing import Any, Protocol

from meshtest.resources.document import Path


class Report(Protocol):
    """Where problems go."""

    def __call__(self, path: Path, message: str, *, unsupported: bool = False) -> None:
        """Note one problem at `path`."""


class Type(Protocol):
    """What a field may hold."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value` and give it in the form that the translation wants; what is wrong goes to `report`."""


def _named(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a mapping",
    }
    return (
        f"{names.get(type(value), type(value).__name__)} ({value!r})"
        if not isinstance(value, list | dict)
        else names[type(value)]
    )


@dataclass(frozen=True)
class Text:
    """A string; `check` may say what is wrong with it."""

    check: Callable[[str], str | None] | None = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, str):
            quoted = str(value).lower() if isinstance(value, bool) else value
            report(path, f'must be a text; this is {_named(value)}: put it in quotes, "{quoted}"')
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
            hint = "; take the quotes away" if isinstance(value, str) and value.isdigit() else ""
            report(path, f"must be a whole number; this is {_named(value)}{hint}")
        elif not self.least <= value <= self.most:
            report(path, f"must be from {self.least} to {self.most}; this is {value}")
        return value


@dataclass(frozen=True)
class Number:
    """A number from `least` to `most`."""

    least: float = float("-inf")
    most: float = float("inf")

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            report(path, f"must be a number; this is {_named(value)}")
        elif not self.least <= value <= self.most:
            report(path, f"must be from {self.least:g} to {self.most:g}; this is {value:g}")
        return value


@dataclass(frozen=True)
class Flag:
    """A boolean."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, bool):
            report(path, f"must be true or false; this is {_named(value)}")
        return value


_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def nanoseconds(text: str) -> int | None:
    """A duration as Go writes it (`1h5m`, `0.5s`, `100ms`) in nanoseconds; None if it is none."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return 0
    parts = _DURATION_PART.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        return None
    return sign * int(sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in parts))


def envoy_duration(amount: int) -> str:
    """Nanoseconds as protobuf's JSON writes a duration: `1.5s`."""
    whole, rest = divmod(amount, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + "s"


@dataclass(frozen=True)
class Duration:
    """A span of time of at least `least` nanoseconds (Istio: 1 ms), or 0 where `zero`; comes back in Envoy's form."""

    least: int = 10**6
    zero: bool = False

    def read(self, value: Any, path: Path, report: Report) -> Any:
        amount = nanoseconds(value) if isinstance(value, str) else None
        if amount is None:
            report(path, f"must be a duration with its unit, such as 5s, 100ms or 1h30m; this is {_named(value)}")
            return "0s"
        if amount < self.least and not (self.zero and amount == 0):
            report(
                path,
                f"must be a duration of at least {envoy_duration(self.least)}{' or 0s' if self.zero else ''}; this is {value}",
            )
        return envoy_duration(max(amount, 0))


@dataclass(frozen=True)
class Enum:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if value not in self.words:
            report(path, f"must be one of {', '.join(self.words)}; this is {_named(value)}{nearest(value, self.words)}")
        return value


@dataclass(frozen=True)
class ListOf:
    """A list, of at least `least` items."""

    item: Type
    least: int = 0

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, list):
            report(path, f"must be a list; this is {_named(value)}: put a `-` before each item")
            return []
        if len(value) < self.least:
            report(path, f"must have at least {self.least} item{'s' if self.least > 1 else ''}")
        return [self.item.read(item, (*path, index), report) for index, item in enumerate(value)]


@dataclass(frozen=True)
class MapOf:
    """A mapping from free keys; a null value is read as `null` (a StringMatch that asks for mere presence)."""

    item: Type
    null: Any = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            report(path, f"must be a mapping; this is {_named(value)}")
            return {}
        given = {key: self.null if item is None else item for key, item in value.items()}
        return {key: self.item.read(item, (*path, key), report) for key, item in given.items() if item is not None}


Rule = Callable[[Mapping[str, Any], Path, Report], None]


@dataclass(frozen=True)
class Message:
    """A mapping with known fields.

    `required` fields must be there, at most one field of each group in `one_of` may be; `rules` look at the whole.
    """

    fields: Mapping[str, Type]
    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Rule, ...] = dataclass_field(default=())

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            report(path, f"must be a mapping; this is {_named(value)}")
            return {}
        given = {key: item for key, item in value.items() if item is not None}
        out = {
            key: self.fields[key].read(item, (*path, key), report) for key, item in given.items() if key in self.fields
        }
        for key in given.keys() - self.fields.keys():
            report(
                (*path, key),
                f"there is no field {key!r} here{nearest(key, self.fields) or f'; known are {_listed(self.fields)}'}",
            )
        for key in self.required:
            if key not in given:
                report(path, f"the field {key!r} is missing")
        for group in self.one_of:
            if len(both := [key for key in group if key in given]) > 1:
                report((*path, both[1]), f"{both[1]!r} and {both[0]!r} exclude each other: keep one")
        for rule in self.rules:
            rule(out, path, report)
        return out


@dataclass(frozen=True)
class Unsupported:
    """A field of Istio's that the local mesh does not implement: refused by name, never ignored."""

    note: str = ""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        report(path, f"is not implemented by the local mesh{': ' + self.note if self.note else ''}", unsupported=True)
        return value


def nearest(word: Any, known: Any) -> str:
    """A question that names the known word nearest to `word`; empty if none is near."""
    folded = {str(each).lower(): each for each in known}
    near = difflib.get_close_matches(str(word).lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def _listed(known: Mapping[str, Type]) -> str:
    names = sorted(known)
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


TEXT, FLAG, INT32 = Text(), Flag(), Whole()
UINT32 = Whole(0, 2**32 - 1)
COUNT = Whole(0)
PORT = Whole(1, 65535)
DURATION, DURATION_OR_ZERO = Duration(), Duration(zero=True)
