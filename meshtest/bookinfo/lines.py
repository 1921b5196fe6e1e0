"""The server of Istio's tcp-echo sample: each line comes back behind a prefix (samples/tcp-echo/src/main.go)."""

from __future__ import annotations

import asyncio

from meshtest.bookinfo.server import Connections

LINE_LIMIT = 8 * 1024 * 1024  # bytes


class LineConnection(asyncio.Protocol):
    """One connection from a client; a rest without the end of a line is not answered."""

    def __init__(self, prefix: str, connections: Connections) -> None:
        self._prefix = prefix.encode() + b" "
        self._connections = connections
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

    def data_received(self, data: bytes) -> None:
        """Bytes of lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._transport is None:
            return
        if lines:
            self._transport.write(b"".join(self._prefix + line + b"\n" for line in lines))
        if len(self._rest) > LINE_LIMIT:
            self.abort()

    def pause_writing(self) -> None:
        """The client does not read: no more of its lines are taken."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def drain(self) -> None:
        """Closes once all that was answered is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Resets the connection."""
        if self._transport is not None:
            self._transport.abort()
