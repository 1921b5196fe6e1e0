"""One closed-loop burst: requests over keep-alive connections until the count or the time is up."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass

from meshtest.traffic.attribution import Attribution
from meshtest.traffic.connection import Connection
from meshtest.traffic.payload import Payload
from meshtest.traffic.pool import READ, WRITE, Pool
from meshtest.traffic.sample import Recording, Sample


@dataclass(frozen=True, slots=True)
class Plan:
    """What a burst does: ``number`` requests, or as many as ``duration`` seconds allow; at most ``rate`` a second."""

    method: str
    payload: Payload
    number: float = math.inf
    duration: float = math.inf
    rate: float = math.inf
    connections: int = 16
    timeout: float = 10.0


class Burst:
    """Runs a plan over the connections of a pool."""

    def __init__(self, plan: Plan, pool: Pool, attribute: Attribution) -> None:
        self._plan, self._pool, self._attribute = plan, pool, attribute
        self._began = time.monotonic()
        self._ends = self._began + plan.duration
        self._recording = Recording(self._began)
        self._busy: set[Connection] = set()
        # One timeout for all, so deadlines expire in the order of sending; entries of finished exchanges are skipped.
        self._deadlines: deque[tuple[float, Connection, int]] = deque()
        self._finished = 0

    @property
    def begun(self) -> int:
        """How many requests have been begun. May be asked by another thread."""
        return len(self._recording)

    @property
    def finished(self) -> int:
        """How many requests have their answer, or error. May be asked by another thread."""
        return self._finished

    def run(self) -> Sample:
        """The sample of all requests."""
        while self._start_due() or self._busy:
            for connection, mask in self._pool.wait(self._patience()):
                self._advance(connection, mask)
            self._expire()
        return self._recording.sample()

    def stop(self) -> None:
        """Sends no more; what is under way is awaited. May come from another thread."""
        self._ends = min(self._ends, time.monotonic())

    def _next_due(self) -> float:
        """When the next request is due (monotonic seconds); infinity when no more are to be sent."""
        sent = len(self._recording)
        due = self._began + sent / self._plan.rate
        return due if sent < self._plan.number and due < self._ends else math.inf

    def _start_due(self) -> bool:
        """Starts what is due and has a connection; whether more is to come later."""
        while len(self._busy) < self._plan.connections:
            due, now = self._next_due(), time.monotonic()
            if due > now or now >= self._ends:
                return due < math.inf and now < self._ends
            connection = self._pool.take()
            self._busy.add(connection)
            self._begin(connection, now)
        return True

    def _begin(self, connection: Connection, now: float) -> None:
        number = self._recording.begin(now)
        if connection.error is None:
            connection.begin(number, self._plan.method, self._plan.payload.numbered(number))
            self._deadlines.append((now + self._plan.timeout, connection, number))
            self._pool.watch(connection)
        else:
            connection.number = number
            self._fail(connection, connection.error)

    def _advance(self, connection: Connection, mask: int) -> None:
        if connection not in self._busy:  # an idle peer hung up or spoke unasked
            self._pool.drop(connection)
            return
        if mask & WRITE:
            connection.ready_to_write()
            if connection.error is None:
                self._pool.watch(connection)
        if mask & READ and connection.error is None:
            connection.receive()
        if connection.answer.complete:
            self._finish(connection)
        elif connection.error is not None:
            self._fail(connection, connection.error)

    def _finish(self, connection: Connection) -> None:
        answer = connection.answer
        now = time.monotonic()
        version = self._attribute(answer.status, answer.headers, answer.body)
        self._recording.answer(connection.number, now, answer.status, version)
        self._finished += 1
        if not connection.reusable:
            self._drop(connection)
        elif self._next_due() <= now < self._ends:
            self._begin(connection, now)
        else:
            self._busy.discard(connection)
            self._pool.put_back(connection)

    def _fail(self, connection: Connection, error: str) -> None:
        self._recording.fail(connection.number, time.monotonic(), error)
        self._finished += 1
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._busy.discard(connection)
        self._pool.drop(connection)

    def _expire(self) -> None:
        now = time.monotonic()
        while self._deadlines:
            deadline, connection, number = self._deadlines[0]
            if connection.number == number:
                if deadline > now:
                    return
                stage = "connect: " if connection.connecting else ""
                self._fail(connection, f"{stage}timeout after {self._plan.timeout:g} s")
            self._deadlines.popleft()

    def _patience(self) -> float | None:
        """How long to wait for the sockets (seconds): until a deadline, or a request that is due has a connection."""
        wake = self._deadlines[0][0] if self._deadlines else math.inf
        if len(self._busy) < self._plan.connections:
            wake = min(wake, self._next_due())
        return max(0.0, wake - time.monotonic()) if wake < math.inf else None
