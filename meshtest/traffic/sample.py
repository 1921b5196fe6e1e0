"""What one burst of traffic saw: columns in the order of sending."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from meshtest.traffic.cause import NONE, Cause

# What all proxies logged of requests, from what the first one did.
Passages = Callable[[Sequence[Cause]], Sequence[Sequence[Cause]]]


class Row(NamedTuple):
    """One request of a sample; units as in `Sample`."""

    started: float
    latency: float
    status: int
    version: str | None
    error: str | None
    cause: Cause | None = None


@dataclass(frozen=True)
class Sample:
    """Columns of equal length, one entry a request, in send order.

    * ``started``  seconds from the sample's start until the request was begun
    * ``latency``  seconds from then until the whole answer was read or the error seen, connecting included
    * ``status``   HTTP status; 0 for a transport error
    * ``version``  who answered, as the attribution reads it; None when the answer does not say or there is none
    * ``error``    None, or the transport error in a few words (``connect: refused``)
    * ``causes``   what the first proxy logged of each request, None where it did not; None altogether if that was not asked for

    ``began`` is the monotonic clock (seconds) at the sample's start. A transport error is not an observation: it is in
    ``errors`` and in none of the counts.
    """

    started: Sequence[float]
    latency: Sequence[float]
    status: Sequence[int]
    version: Sequence[str | None]
    error: Sequence[str | None]
    began: float = 0.0
    causes: Sequence[Cause | None] | None = None
    passages: Passages | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = (self.started, self.latency, self.status, self.version, self.error)
        if len({len(each) for each in (*columns, *([self.causes] if self.causes is not None else []))}) != 1:
            raise ValueError("the columns of a sample have one length")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "passages": None}  # the proxies' logs stay where they are

    def __len__(self) -> int:
        return len(self.status)

    @property
    def answered(self) -> list[str | None]:
        """The versions of the HTTP answers, in send order; None where the answer does not say."""
        return [version for version, error in zip(self.version, self.error, strict=True) if error is None]

    @property
    def errors(self) -> Counter[str]:
        """How often each transport error occurred."""
        return Counter(error for error in self.error if error is not None)

    def counts(self) -> Counter[str | None]:
        """Answers by version; the key None counts the answers without one."""
        return Counter(self.answered)

    def statuses(self) -> Counter[int]:
        """Answers by HTTP status."""
        return Counter(status for status in self.status if status)

    @property
    def known(self) -> list[Cause]:
        """What the first proxy logged, in send order. Raises ``ValueError`` if the sample was taken without causes."""
        if self.causes is None:
            raise ValueError("this sample knows no causes: take it with measure(..., causes=True)")
        return [cause for cause in self.causes if cause is not None]

    def flags(self) -> Counter[str]:
        """How many requests had each response flag (``UO``, ``DI``...); ``-`` counts those without any."""
        return Counter(flag for cause in self.known for flag in cause.flags or (NONE,))

    def summaries(self) -> Counter[str]:
        """How often each status came with which flags and details: ``503 UO upstream_reset_before_response_started{overflow}``."""
        return Counter(cause.summary for cause in self.known)

    @property
    def entries(self) -> list[Cause]:
        """The first proxy's log lines (their `str`) of all requests with a flag, or a status from 400 on, in send order."""
        return [cause for cause in self.known if not cause.plain]

    def log(self, number: int) -> Sequence[Cause]:
        """What all proxies logged of one request, in the order in which it reached them; empty if the first one did not log it."""
        return self.logs([number])[0]

    def logs(self, numbers: Sequence[int] | None = None) -> list[Sequence[Cause]]:
        """What all proxies logged of these requests (by default of all), read in one go; see `log`.

        Raises ``ValueError`` without causes, and for a sample that comes from another process.
        """
        _ = self.known
        if self.passages is None:
            raise ValueError("the proxies' logs can only be read in the process that took the sample")
        assert self.causes is not None
        wanted = [self.causes[number] for number in (range(len(self)) if numbers is None else numbers)]
        found = iter(self.passages([cause for cause in wanted if cause is not None]))
        return [() if cause is None else next(found) for cause in wanted]

    def quantile(self, q: float) -> float:
        """The latency (seconds) that a share ``q`` of the answers did not exceed: the smallest such observation.

        NaN without answers. Raises ``ValueError`` unless 0 <= q <= 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies in 0..1, not {q}")
        latencies = sorted(value for value, error in zip(self.latency, self.error, strict=True) if error is None)
        return latencies[max(0, math.ceil(q * len(latencies)) - 1)] if latencies else math.nan

    @property
    def span(self) -> float:
        """Seconds from the first request's start to the last end; 0 when empty."""
        ends = (start + taken for start, taken in zip(self.started, self.latency, strict=True))
        return max(ends, default=0.0) - min(self.started, default=0.0)

    @property
    def rate(self) -> float:
        """HTTP answers per second of the span; 0 when there are none."""
        answers = len(self) - sum(self.errors.values())
        return answers / self.span if answers and self.span > 0 else 0.0

    def answers(self) -> Iterator[Row]:
        """The requests with an HTTP answer one by one, in send order."""
        return (row for row in self.rows() if row.error is None)

    def rows(self) -> Iterator[Row]:
        """The requests one by one, in send order."""
        causes = [None] * len(self) if self.causes is None else self.causes
        columns = (self.started, self.latency, self.status, self.version, self.error, causes)
        return map(Row._make, zip(*columns, strict=True))

    def to_csv(self, most: int | None = None) -> str:
        """All rows, or the first of them, as CSV (RFC 4180) with a header line; None is an empty field. With causes there are further
        columns for these."""
        text = io.StringIO(newline="")
        table = csv.writer(text)
        more = () if self.causes is None else _OF_CAUSES
        table.writerow((*Row._fields[:-1], *more))
        table.writerows((*row[:-1], *(_cells(row.cause) if more else ())) for row in islice(self.rows(), most))
        return text.getvalue()


_OF_CAUSES = ("flags", "details", "attempts", "upstream_instance", "held")


def _cells(cause: Cause | None) -> tuple[object, ...]:
    if cause is None:
        return (None,) * len(_OF_CAUSES)
    return (",".join(cause.flags), cause.details, cause.attempts, cause.upstream_instance, cause.held)


def join(*samples: Sample) -> Sample:
    """The samples one after the other, as given; ``started`` counts from the earliest beginning."""
    if not samples:
        return Sample(array("d"), array("d"), array("H"), [], [])
    began = min(sample.began for sample in samples)
    started, latency, status = array("d"), array("d"), array("H")
    version: list[str | None] = []
    error: list[str | None] = []
    for sample in samples:
        started.extend(sample.began - began + value for value in sample.started)
        latency.extend(sample.latency)
        status.extend(sample.status)
        version.extend(sample.version)
        error.extend(sample.error)
    passages = next((sample.passages for sample in samples if sample.passages), None)
    return Sample(started, latency, status, version, error, began, _joined(samples), passages)


def _joined(samples: Sequence[Sample]) -> list[Cause | None] | None:
    """Causes are known if they are of any of the samples."""
    if all(sample.causes is None for sample in samples):
        return None
    return [cause for sample in samples for cause in (sample.causes or [None] * len(sample))]


class Recording:
    """A sample in the making: `begin` numbers the requests, `end` fills in what came of each."""

    __slots__ = ("_began", "_error", "_latency", "_started", "_status", "_version")

    def __init__(self, began: float) -> None:
        self._began = began
        self._started, self._latency, self._status = array("d"), array("d"), array("H")
        self._version: list[str | None] = []
        self._error: list[str | None] = []

    def __len__(self) -> int:
        return len(self._started)

    def begin(self, now: float) -> int:
        """Notes that a request begins at ``now`` (monotonic seconds); returns its number, from 0."""
        number = len(self._started)
        self._started.append(now - self._began)
        self._latency.append(math.nan)
        self._status.append(0)
        self._version.append(None)
        self._error.append(None)
        return number

    def answer(self, number: int, now: float, status: int, version: str | None) -> None:
        """Notes the whole answer of a request."""
        self._latency[number] = now - self._began - self._started[number]
        self._status[number] = status
        self._version[number] = version

    def fail(self, number: int, now: float, error: str) -> None:
        """Notes a transport error."""
        self._latency[number] = now - self._began - self._started[number]
        self._error[number] = error

    def sample(self) -> Sample:
        """The finished sample."""
        return Sample(self._started, self._latency, self._status, self._version, self._error, self._began)
