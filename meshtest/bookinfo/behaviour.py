"""What an instance does with a request instead of, or before, what its application does. Values, without a clock or a socket."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

FAILS, SLOW, STALLS, HOLDS, HANGS_UP, CLOSES = KINDS = ("fails", "slow", "stalls", "holds", "hangs_up", "closes")
BEFORE, HEADERS, BODY = WHENS = ("before", "headers", "body")

_NOTHING: Mapping[str, str] = MappingProxyType({})
_GRPC_CODES = 17  # OK to UNAUTHENTICATED (grpc/doc/statuscodes.md)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair)


# What each field takes: whether a value is right, and how to say what would be.
_TAKES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: value in KINDS, f"is one of {', '.join(KINDS)}"),
    "share": (lambda value: _number(value) and 0 <= value <= 1, "is from 0 to 1"),
    "after": (_whole, "is a number of requests, 0 or more"),
    "count": (
        lambda value: value is None or _whole(value),
        "is a number of requests, 0 or more, or None for any number",
    ),
    "path": (lambda value: isinstance(value, str), "is how a path begins, such as '/reviews'"),
    "headers": (_texts, "are texts by their names"),
    "status": (lambda value: _whole(value) and 200 <= value <= 599, "is an HTTP status from 200 to 599"),
    "grpc_status": (
        lambda value: value is None or (_whole(value) and value < _GRPC_CODES),
        "is a status of gRPC from 0 to 16, such as 14 for UNAVAILABLE",
    ),
    "answer_headers": (_texts, "are texts by their names"),
    "seconds": (lambda value: _number(value) and 0 <= value < math.inf, "is a time of 0 or more"),
    "when": (lambda value: value in WHENS, f"is one of {', '.join(WHENS)}"),
    "reset": (lambda value: isinstance(value, bool), "is True or False"),
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that an instance does, `kind` (one of `KINDS`), and to which requests.

    * ``fails``: answers `status` (with `grpc_status`: 200 and that status, as gRPC does without a message), and `answer_headers`.
    * ``slow``: answers after `seconds`.
    * ``stalls``, ``holds``: answers once the behaviour is taken back; what is held can be let go one by one.
    * ``hangs_up``: ends the connection instead of the answer (`when` is ``before``), behind its head (``headers``) or amid its body
      (``body``); by a reset, or (`reset` false) in an orderly way.
    * ``closes``: answers, and ends the connection (``connection: close``).

    It concerns requests whose path begins with `path` and that have these `headers` (names in any case, whole values); of them not the
    first `after`; of the rest each with the probability `share`; and at most `count`. Raises ValueError for what cannot be.
    """

    kind: str
    share: float = 1.0
    after: int = 0
    count: int | None = None
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    status: int = 503
    grpc_status: int | None = None
    answer_headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    seconds: float = 0.0
    when: str = BEFORE
    reset: bool = True

    def __post_init__(self) -> None:
        for name, (right, takes) in _TAKES.items():
            if not right(value := getattr(self, name)):
                raise ValueError(f"{name} {takes}, not {value!r}")

    def __str__(self) -> str:
        shown = {FAILS: ("status", "grpc_status"), SLOW: ("seconds",), HANGS_UP: ("when",)}.get(self.kind, ())
        parts = [f"{name}={getattr(self, name)}" for name in shown if getattr(self, name) is not None]
        return f"{self.kind}({', '.join(parts)})"

    def concerns(self, path: str, headers: list[tuple[str, str]]) -> bool:
        """Whether it is about a request with this path and these headers (names in lower case)."""
        return path.startswith(self.path) and all(
            (name.lower(), value) in headers for name, value in self.headers.items()
        )

    @property
    def of_any(self) -> bool:
        """Whether it is about all requests, and so about what is no HTTP too."""
        return not self.path and not self.headers

    def as_json(self) -> dict[str, Any]:
        """What `read_behaviour` reads."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**plain, "headers": dict(self.headers), "answer_headers": dict(self.answer_headers)}


def read_behaviour(document: object) -> Behaviour:
    """A behaviour from its JSON. Raises ValueError."""
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise ValueError(f"a behaviour is an object with a kind, not {document!r}")
    if unknown := sorted(document.keys() - {each.name for each in fields(Behaviour)}):
        raise ValueError(f"a behaviour has no {', '.join(unknown)}")
    return Behaviour(**document)


@dataclass(slots=True)
class Counters:
    """What an instance, or several, have seen since they (re)started.

    `requests` in all (of TCP: lines), those `answered` by the application, those `changed` by a behaviour; `open` connections and requests
    `held` (by holds and stalls) are of now.
    """

    requests: int = 0
    answered: int = 0
    changed: int = 0
    open: int = 0
    held: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def __sub__(self, mark: Counters) -> Counters:
        """What has come since a mark; `open` and `held` are those of now."""
        return Counters(
            self.requests - mark.requests,
            self.answered - mark.answered,
            self.changed - mark.changed,
            self.open,
            self.held,
        )
