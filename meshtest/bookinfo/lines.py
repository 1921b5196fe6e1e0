"""The server of Istio's tcp-echo sample: each line comes back behind a prefix (samples/tcp-echo/src/main.go)."""

from __future__ import annotations

import asyncio
from collections import deque

from meshtest.bookinfo.behaviour import CLOSES, HANGS_UP, Behaviour
from meshtest.bookinfo.conduct import Conduct, Rule
from meshtest.bookinfo.server import Connections, reset

LINE_LIMIT = 8 * 1024 * 1024  # bytes
_AHEAD = 1024  # lines read while one waits for its answer


class LineConnection(asyncio.Protocol):
    """One connection from a client; a rest without the end of a line is not answered."""

    def __init__(self, prefix: str, connections: Connections, conduct: Conduct) -> None:
        self._prefix = prefix.encode() + b" "
        self._connections, self._conduct = connections, conduct
        self._waiting: deque[bytes] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._draining = False
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._connections.discard(self)
        self._transport = None
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._waiting.extend(lines)
        if self._answering is None:
            self._answer()
        elif len(self._waiting) > _AHEAD:
            self.pause_writing()
        if len(self._rest) > LINE_LIMIT:
            self.abort()

    def _answer(self) -> None:
        """Answers the lines that have come, up to one that a behaviour is about."""
        said: list[bytes] = []
        while self._waiting and self._transport is not None:
            line = self._waiting.popleft()
            if rule := self._conduct.meet_line(line):
                self._transport.write(b"".join(said))
                self._answering = asyncio.ensure_future(self._behave(line, rule))
                return
            said.append(self._prefix + line + b"\n")
        if said and self._transport is not None:
            self._transport.write(b"".join(said))
        if self._draining:
            self._close()

    async def _behave(self, line: bytes, rule: Rule) -> None:
        given = rule.behaviour
        if given.kind not in (HANGS_UP, CLOSES):
            await rule.wait()
        self._answering = None
        if self._transport is None:
            return
        if given.kind == HANGS_UP:
            self._cut(self._prefix + line, given)
            return
        self._conduct.late()
        self._transport.write(self._prefix + line + b"\n")
        if given.kind == CLOSES:
            self._close()
            return
        self.resume_writing()
        self._answer()

    def _cut(self, said: bytes, given: Behaviour) -> None:
        """Hangs up before a line is answered, or behind half of the answer (a line has no head)."""
        assert self._transport is not None
        self._transport.write(b"" if given.when == "before" else said[: len(said) // 2])
        if given.reset:
            self.abort()
        else:
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """The client does not read: no more of its lines are taken."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def drain(self) -> None:
        """Closes once all that was asked is answered."""
        self._draining = True
        if self._answering is None:
            self._close()

    def abort(self) -> None:
        """Resets the connection."""
        if self._transport is not None:
            reset(self._transport)
