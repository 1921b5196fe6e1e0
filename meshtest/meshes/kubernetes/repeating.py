"""When a request to the API server is repeated, and how long: what Kubernetes' API conventions call for, by `tenacity`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

T = TypeVar("T")

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be over in a moment."""
_PAUSE = wait_random_exponential(multiplier=0.1, max=5)


class Passing(Exception):
    """A failure that may be over in a moment.

    `after` is how many seconds the server asked to be left alone (`Retry-After`), None if it did not say. `maybe_done` tells that the
    request may have been carried out, though no answer to it arrived.
    """

    def __init__(self, said: str, after: float | None = None, maybe_done: bool = False) -> None:
        super().__init__(said)
        self.after = after
        self.maybe_done = maybe_done


class Exhausted(Exception):
    """It did not pass in time: what was said last, after how many attempts."""

    def __init__(self, said: str, attempts: int) -> None:
        super().__init__(said)
        self.attempts = attempts


def repeat(ask: Callable[[], T], patience: float) -> T:
    """What `ask` returns, asked again while it raises `Passing`, for at most `patience` seconds; else `Exhausted`."""
    retrying = Retrying(
        retry=retry_if_exception_type(Passing), stop=stop_before_delay(patience), wait=_pause, reraise=True
    )
    try:
        return retrying(ask)
    except Passing as passing:
        raise Exhausted(str(passing), retrying.statistics["attempt_number"]) from passing


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a `Retry-After`; None without one (Kubernetes sends no dates)."""
    said = headers.get("Retry-After", "")
    return float(said) if said.isdigit() else None


def _pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: what the server asked for, else longer each time, spread at random."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.after if isinstance(failure, Passing) else None
    return _PAUSE(state) if asked is None else asked
