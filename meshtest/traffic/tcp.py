"""Connections that carry no HTTP, as a value, and the engine that opens many of them: each connection is one observation."""

from __future__ import annotations

import math
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from meshtest.traffic.attribution import Attribution, by_line
from meshtest.traffic.sample import Recording, Sample

_BUFFER = 65536


@dataclass(frozen=True, slots=True)
class TCP:
    """A connection to `tcp://host:port` on which `data` is sent; its answer is the first line that comes back.

    Raises ValueError for another URL, and for no data: where TLS is possible too, Envoy waits for five bytes.
    """

    target: str
    data: bytes = b"hello\n"

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        if parts.scheme != "tcp" or not parts.hostname or not parts.port:
            raise ValueError(f"a connection is to tcp://host:port, not {self.target!r}")
        if not self.data:
            raise ValueError("say what is sent on the connection: one line at least")

    def __str__(self) -> str:
        return f"TCP {self.target} ({len(self.data)} bytes)"


class Connections:
    """Opens connections to an address, so many at once, each for one line and its answer; nothing is retried.

    A connection that is closed before a line came is an answer without a version; one that is refused, reset or too slow (`timeout`
    seconds) is a transport error. A status is 0: there is none. Threads do it, because what matters here is how many, not how fast.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        connections: int = 16,
        timeout: float = 10.0,
        attribute: Attribution | None = None,
        source: str | None = None,
    ) -> None:
        self._address, self._connections, self._timeout = address, connections, timeout
        self._attribute, self._source = attribute or by_line(), source
        self._lock = threading.Lock()
        self._stopped = False
        self._progress = (0, 0)

    @property
    def progress(self) -> tuple[int, int]:
        """How many connections of the run have been begun, and how many are over."""
        return self._progress

    def run(
        self,
        what: TCP,
        n: int | None = None,
        *,
        duration: float | None = None,
        rate: float | None = None,
        host: str | None = None,
    ) -> Sample:
        """Open exactly `n` connections, or for `duration` seconds, at most `rate` a second; ValueError for a run without an end."""
        if n is None and duration is None:
            raise ValueError("say how much to send: n connections, or a duration in seconds")
        began = time.monotonic()
        most, end = math.inf if n is None else n, math.inf if duration is None else began + duration
        recording, errors = Recording(began), list[BaseException]()
        self._progress = (0, 0)

        def work() -> None:
            try:
                while (number := self._begin(recording, most, end, began, rate)) is not None:
                    self._exchange(what, recording, number)
            except BaseException as error:  # raised where the run was called
                errors.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self._connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return recording.sample()

    def _begin(self, recording: Recording, most: float, end: float, began: float, rate: float | None) -> int | None:
        """The number of a connection that is due; None if there are to be no more."""
        while True:
            with self._lock:
                now, number = time.monotonic(), len(recording)
                if self._stopped or number >= most or now >= end:
                    return None
                due = began + number / rate if rate else now
                if due <= now:
                    self._progress = (number + 1, self._progress[1])
                    return recording.begin(now)
            time.sleep(min(due, end) - now)

    def _exchange(self, what: TCP, recording: Recording, number: int) -> None:
        try:
            line = self._line(what)
        except OSError as error:
            said = f"timeout after {self._timeout:g} s" if isinstance(error, TimeoutError) else _named(error)
            with self._lock:
                recording.fail(number, time.monotonic(), said)
        else:
            with self._lock:
                recording.answer(number, time.monotonic(), 0, self._attribute(0, (), line))
        with self._lock:
            self._progress = (self._progress[0], self._progress[1] + 1)

    def _line(self, what: TCP) -> bytes:
        source = (self._source, 0) if self._source else None
        deadline, line = time.monotonic() + self._timeout, b""
        with socket.create_connection(self._address, self._timeout, source) as connection:
            connection.sendall(what.data)
            while b"\n" not in line:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                if not (more := connection.recv(_BUFFER)):
                    break
                line += more
        return line

    def stop(self) -> None:
        """Open no more; what is under way is awaited. May come from another thread."""
        self._stopped = True

    def renew(self) -> None:
        """Each connection is a new one."""

    def close(self) -> None:
        """Nothing is left open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _named(error: OSError) -> str:
    return {"ConnectionRefusedError": "connect: refused", "ConnectionResetError": "reset"}.get(
        type(error).__name__, error.strerror or str(error)
    )
