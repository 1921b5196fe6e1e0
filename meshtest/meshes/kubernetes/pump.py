"""Two connections made one: what either says is said by the other."""

from __future__ import annotations

import asyncio
from typing import Self


class Pump(asyncio.Protocol):
    """One of the two. It reads when the other end is there, and no faster than that takes it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.get_running_loop().create_future()
        """Done when this end is closed."""
        self._other: Pump | None = None

    @classmethod
    def takes(cls, transport: asyncio.Transport) -> Self:
        """One for a connection that is open already."""
        pump = cls()
        transport.set_protocol(pump)
        pump.connection_made(transport)
        return pump

    def join(self, other: Pump) -> None:
        """Make them one."""
        self._other, other._other = other, self
        if self._transport is None or other._transport is None:
            self.close()
            other.close()
            return
        self._transport.resume_reading()
        other._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the other."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes for the other."""
        if self._other is not None and self._other._transport is not None:
            self._other._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """One end is the end of both."""
        self._transport = None
        if not self.ended.done():
            self.ended.set_result(None)
        if self._other is not None:
            self._other.close()

    def pause_writing(self) -> None:
        """This end does not take what the other brings."""
        if self._other is not None and self._other._transport is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self._other is not None and self._other._transport is not None:
            self._other._transport.resume_reading()

    def close(self) -> None:
        """Ends it, once all is written."""
        if self._transport is not None:
            self._transport.close()
