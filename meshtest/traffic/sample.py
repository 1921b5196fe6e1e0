"""What one burst of traffic saw: columns in the order of sending."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Row(NamedTuple):
    """One request of a sample; units as in `Sample`."""

    started: float
    latency: float
    status: int
    version: str | None
    error: str | None

    @property
    def cause(self) -> None:
        """What the first proxy said of it."""
        return None


@dataclass(frozen=True)
class Sample:
    """Columns of equal length, one entry a request, in send order.

    * ``started``  seconds from the sample's start until the request was begun
    * ``latency``  seconds from then until the whole answer was read or the error seen, connecting included
    * ``status``   HTTP status; 0 for a transport error
    * ``version``  who answered, as the attribution reads it; None when the answer does not say or there is none
    * ``error``    None, or the transport error in a few words (``connect: refused``)

    ``began`` is the monotonic clock (seconds) at the sample's start. A transport error is not an observation: it is in
    ``errors`` and in none of the counts.
    """

    started: Sequence[float]
    latency: Sequence[float]
    status: Sequence[int]
    version: Sequence[str | None]
    error: Sequence[str | None]
    began: float = 0.0

    def __post_init__(self) -> None:
        if len({len(self.started), len(self.latency), len(self.status), len(self.version), len(self.error)}) != 1:
            raise ValueError("the columns of a sample have one length")

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
        return map(Row._make, zip(self.started, self.latency, self.status, self.version, self.error, strict=True))

    def to_csv(self) -> str:
        """All rows as CSV (RFC 4180) with a header line; None is an empty field."""
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(Row._fields)
        table.writerows(self.rows())
        return text.getvalue()


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
    return Sample(started, latency, status, version, error, began)


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
