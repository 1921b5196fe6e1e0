"""Invented answers, for judging without any traffic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What a proxy says of a request."""

    flags: tuple[str, ...] = ()
    details: str = "via_upstream"
    attempts: int | None = 1
    upstream_instance: str = ""
    held: float | None = 0.0
    duration: float | None = 0.01


@dataclass(frozen=True)
class Got:
    """One answer."""

    status: int = 200
    version: str | None = None
    latency: float = 0.01
    cause: Said | None = None


@dataclass(frozen=True)
class Invented:
    """Answers in the order of sending."""

    given: Sequence[Got]

    @property
    def answered(self) -> list[str | None]:
        return [each.version for each in self.given]

    def answers(self) -> Iterable[Got]:
        return self.given
