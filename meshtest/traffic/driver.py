"""The load driver: sends requests over keep-alive connections and says what came back."""

from __future__ import annotations

import math
import socket
from types import TracebackType
from typing import Protocol, Self

from meshtest.errors import MeshError
from meshtest.traffic.attribution import Attribution, by_podname
from meshtest.traffic.burst import Burst, Plan
from meshtest.traffic.payload import encode
from meshtest.traffic.pool import Pool
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample


class Witness(Protocol):
    """Who can say what became of the requests of a run."""

    def user_agent(self) -> str:
        """The ``User-Agent`` that the requests of the next run must have; ``{n}`` in it is a request's number."""

    def explained(self, sample: Sample) -> Sample:
        """The sample of that run, with its causes."""


class Driver:
    """An HTTP/1.1 client that keeps up to ``connections`` exchanges under way at one address (a closed loop).

    It never retries: what went wrong is in the sample. A connection that the peer has closed, or announced to close, is
    not used again; the next request opens a new one. Connections stay open between runs.

    * ``timeout``     seconds that one exchange may take, connecting included
    * ``attribute``   reads the version from an answer
    * ``source``      local IP address to send from
    * ``user_agent``  the ``User-Agent`` unless the request has its own; ``{n}`` in it is the request's number in a run
    * ``witness``     gives samples their causes, and requests the ``User-Agent`` by which it finds them

    For one thread at a time (but for `stop`). Raises ``MeshError`` when the host of the address has no IP address.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        connections: int = 16,
        timeout: float = 10.0,
        attribute: Attribution | None = None,
        source: str | None = None,
        user_agent: str = "meshtest",
        witness: Witness | None = None,
    ) -> None:
        self.address = address
        self._connections = int(_at_least(1, "connections", connections))
        self._timeout = _above_zero("timeout", timeout)
        self._attribute = attribute or by_podname()
        self._user_agent = user_agent
        self._witness = witness
        family, resolved = _resolve(*address)
        self._pool = Pool(family, resolved, source)
        self._running: Burst | None = None
        self._stopped = False

    def run(
        self,
        request: Request,
        n: int | None = None,
        *,
        duration: float | None = None,
        rate: float | None = None,
        host: str | None = None,
        connections: int | None = None,
        user_agent: str | None = None,
    ) -> Sample:
        """Sends exactly ``n`` requests, or for ``duration`` seconds, or until the first of both; awaits every answer.

        * ``rate``         at most so many requests begun a second, evenly spaced; a request waits for a free connection
        * ``host``         the ``Host`` header, unless the request has one; by default its authority, else the address
        * ``connections``, ``user_agent``  instead of the driver's, in this run

        Whatever interrupts it (Ctrl-C) closes all connections at once. Raises ``ValueError`` for a run without an end, and for https.
        """
        if request.scheme == "https":
            raise ValueError(
                f"the load driver does not speak TLS yet, so that {request} cannot be measured: use http://, or ask once with get()"
            )
        if n is None and duration is None:
            raise ValueError("say how much to send: n requests, or a duration in seconds")
        agent = self._agent(request, user_agent)
        plan = Plan(
            method=request.method,
            payload=encode(request, host or request.authority or _authority(*self.address), agent),
            number=math.inf if n is None else _at_least(0, "n", n),
            duration=math.inf if duration is None else _above_zero("duration", duration),
            rate=math.inf if rate is None else _above_zero("rate", rate),
            connections=int(_at_least(1, "connections", self._connections if connections is None else connections)),
            timeout=self._timeout,
        )
        sample = self._drive(plan)
        return sample if self._witness is None else self._witness.explained(sample)

    def _agent(self, request: Request, user_agent: str | None) -> str:
        if self._witness is None:
            return self._user_agent if user_agent is None else user_agent
        if (own := request.header("User-Agent")) is not None:
            raise ValueError(
                f"causes are found by the User-Agent that meshtest gives to requests, and this one has its own: {own!r}; "
                "leave it out, or ask without causes"
            )
        return self._witness.user_agent()

    def _drive(self, plan: Plan) -> Sample:
        if self._pool.closed:
            raise RuntimeError("this driver is closed; make a new one")
        if self._running is not None:
            raise RuntimeError("this driver is running in another thread; use one driver a thread")
        self._running = Burst(plan, self._pool, self._attribute)
        if self._stopped:
            self._running.stop()
        try:
            return self._running.run()
        except BaseException:
            self._pool.reset()
            raise
        finally:
            self._running = None

    @property
    def progress(self) -> tuple[int, int]:
        """How many requests of the run under way have been begun, and how many are over; (0, 0) without one. For any thread."""
        running = self._running
        return (running.begun, running.finished) if running is not None else (0, 0)

    def stop(self) -> None:
        """Ends the run, and each that follows, once the answers under way have come. May come from another thread."""
        self._stopped = True
        if (running := self._running) is not None:
            running.stop()

    def renew(self) -> None:
        """Closes the open connections, so that the next run opens new ones."""
        self._pool.renew()

    def close(self) -> None:
        """Closes everything; harmless when repeated."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _resolve(host: str, port: int) -> tuple[int, tuple[object, ...]]:
    try:
        family, _, _, _, resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise MeshError(f"no IP address for {host!r}: {error.strerror}") from error
    return family, resolved


def _authority(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == 80 else f"{name}:{port}"


def _at_least(least: int, name: str, value: float) -> float:
    if value < least or value != int(value):
        raise ValueError(f"{name} is a whole number from {least} on, not {value}")
    return value


def _above_zero(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is a finite number above zero, not {value}")
    return value
