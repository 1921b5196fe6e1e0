"""What judging looks at in a sample: answers in the order of sending. Knows nothing of how they were measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

Reading = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], str | None]
"""Reads one text from an answer, of its ``(status, headers, body)``: by default the version that gave it."""


class Cause(Protocol):
    """What the first proxy said of a request in its access log; None, or an empty text, is what it did not say."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Envoy's response flags, such as ``UO``."""

    @property
    def details(self) -> str:
        """Envoy's response code details, such as ``route_not_found``."""

    @property
    def attempts(self) -> int | None:
        """How often the request was sent upstream, retries included."""

    @property
    def upstream_instance(self) -> str:
        """The instance that it was sent to last."""

    @property
    def held(self) -> float | None:
        """Seconds until the proxy sent it on, or answered it by itself: an injected delay, and not what anything behind took."""

    @property
    def duration(self) -> float | None:
        """Seconds from the first byte of the request to the end of the answer."""


class Exchanged(Protocol):
    """What became of a request."""

    @property
    def latency(self) -> float:
        """Seconds from the begin of the request to the end of the answer."""

    @property
    def status(self) -> int:
        """The HTTP status; 0 for a transport error."""

    @property
    def version(self) -> str | None:
        """What was read from the answer: the version that gave it, unless the expectation reads something else."""


class Answer(Exchanged, Protocol):
    """One HTTP answer."""

    @property
    def cause(self) -> Cause | None:
        """What the first proxy said of it; None unless it was asked."""


class Answers(Protocol):
    """What judging looks at in a sample."""

    @property
    def answered(self) -> Sequence[str | None]:
        """What was read from each answer (its version), in the order of sending; None where it does not say."""

    def answers(self) -> Iterable[Answer]:
        """The answers themselves, in the same order."""


class Sent(Exchanged, Protocol):
    """One request of a flow."""

    @property
    def started(self) -> float:
        """Seconds from the sample's start."""

    @property
    def error(self) -> str | None:
        """The transport error, if there was one."""


class Load(Protocol):
    """All requests of a flow, in the order of sending; `began` is the monotonic clock (seconds) at its start."""

    @property
    def began(self) -> float:
        """Seconds of the monotonic clock."""

    def rows(self) -> Iterable[Sent]:
        """The requests one by one."""
