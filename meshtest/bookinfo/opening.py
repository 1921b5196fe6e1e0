"""Connections of which the first line tells what is spoken."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from meshtest.bookinfo.server import HEAD_LIMIT, TLS_HANDSHAKE, Connections, reset

_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/\d\.\d\r?")


class Opening(asyncio.Protocol):
    """Waits for the first line and hands the connection over: to HTTP after a request line, else to what takes lines.

    In the clear (`clear`), a client that begins with TLS is hung up on.
    """

    def __init__(
        self,
        http: Callable[[], asyncio.Protocol],
        lines: Callable[[], asyncio.Protocol],
        connections: Connections,
        clear: bool,
    ) -> None:
        self._http, self._lines, self._connections, self._clear = http, lines, connections, clear
        self._begun = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone before anything was said."""
        self._connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """The first bytes."""
        self._begun += data
        if self._clear and self._begun.startswith(TLS_HANDSHAKE):
            self.abort()
            return
        line, newline, _ = self._begun.partition(b"\n")
        if newline or len(line) > HEAD_LIMIT:
            self._hand_over(self._http() if newline and _REQUEST_LINE.fullmatch(line) else self._lines())

    def _hand_over(self, successor: asyncio.Protocol) -> None:
        if self._transport is None:
            return
        self._connections.discard(self)
        self._transport.set_protocol(successor)
        successor.connection_made(self._transport)
        successor.data_received(self._begun)

    def drain(self) -> None:
        """Closes: nothing was asked yet."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Resets the connection."""
        if self._transport is not None:
            reset(self._transport)
