"""TCP connections carried in the streams of one HTTP/2 connection: CONNECT, as RFC 9113 8.5 has it.

An end of a stream is the end of what one side sends (FIN), RST_STREAM a reset connection. Both ends are here: `Carrier` is the connection,
`Tunnel` one stream and the socket that it stands for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from meshtest.bookinfo.server import reset

_WINDOW = 1 << 20  # bytes of a stream under way, as much as the path to a pod holds
_ALL_WINDOWS = 1 << 30
_STREAMS = 1 << 16

Headers = Iterable[tuple[bytes, bytes]]
Answered = Callable[["Tunnel", dict[bytes, bytes]], None]
Requested = Callable[["Carrier", int, dict[bytes, bytes]], None]


class Tunnel(asyncio.Protocol):
    """One stream, and the socket whose bytes go through it. Reads nothing until `begin`."""

    def __init__(self, carrier: Carrier, stream: int, answered: Answered | None = None) -> None:
        self._carrier, self.stream, self.answered = carrier, stream, answered
        self._transport: asyncio.Transport | None = None
        self._unsent = b""
        self._unacknowledged = 0
        self._begun = self._full = self._ending = self._said_end = self._heard_end = False

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes for the other end."""
        self._unsent = self._unsent + data if self._unsent else data
        self.push()

    def eof_received(self) -> bool:
        """The socket's peer says no more, and may listen on."""
        self._ending = True
        self.push()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: if it was not us who closed it, its peer has reset the connection."""
        self._transport = None
        if not (self._said_end and self._heard_end):
            self._carrier.reset(self)

    def pause_writing(self) -> None:
        """The socket's peer does not read."""
        self._full = True

    def resume_writing(self) -> None:
        """It reads again: the other end may send more."""
        self._full = False
        self._acknowledge()

    # what the carrier calls

    def begin(self) -> None:
        """The stream is open at both ends."""
        self._begun = True
        self.push()

    def push(self) -> None:
        """Sends what the stream takes; while it takes no more, nothing is read."""
        if not self._begun:
            return
        self._unsent = self._carrier.send(self.stream, self._unsent)
        if self._ending and not self._unsent and not self._said_end:
            self._said_end = True
            self._carrier.end(self.stream)
            self._close_if_over()
        self.read_or_wait()

    def read_or_wait(self) -> None:
        """Reads on unless bytes wait to be sent."""
        if self._transport is None or self._transport.is_closing() or self._ending or not self._begun:
            return
        if self._unsent or self._carrier.full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def receive(self, data: bytes, counted: int) -> None:
        """Bytes from the other end; `counted` of them are acknowledged when they are on their way."""
        self._unacknowledged += counted
        if self._transport is not None:
            self._transport.write(data)
        if not self._full:
            self._acknowledge()

    def _acknowledge(self) -> None:
        counted, self._unacknowledged = self._unacknowledged, 0
        if counted:
            self._carrier.acknowledge(self.stream, counted)

    def hear_end(self) -> None:
        """The other end says no more."""
        self._heard_end = True
        if self._transport is not None and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        self._close_if_over()

    def _close_if_over(self) -> None:
        if self._said_end and self._heard_end:
            self._carrier.forget(self.stream)
            if self._transport is not None:
                self._transport.close()

    def refuse(self) -> None:
        """The stream leads nowhere: whoever connected to the socket is told by a reset."""
        self._carrier.reset(self)
        self.abort()

    def abort(self) -> None:
        """The other end was reset, or is gone: so is this one."""
        self._said_end = self._heard_end = True
        if self._transport is not None:
            reset(self._transport)


class Carrier(asyncio.Protocol):
    """The connection, at the end that is asked (`requested` is called with a stream and the headers that opened it) or the one that asks.

    `lost` is called when it has ended, and all streams with it.
    """

    def __init__(self, requested: Requested | None = None, lost: Callable[[], None] = lambda: None) -> None:
        self._client = requested is None
        self._requested, self._lost = requested, lost
        self._greeted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._h2 = H2Connection(H2Configuration(client_side=self._client, header_encoding=None))
        self._transport: asyncio.Transport | None = None
        self._tunnels: dict[int, Tunnel] = {}
        self._flushing = False
        self.full = False
        """Whether the other end is behind."""

    @property
    def open(self) -> bool:
        """Whether it carries."""
        return self._transport is not None and not self._transport.is_closing()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says what it takes."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        limits = {
            SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
            SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS,
            SettingCodes.ENABLE_PUSH: 0,
        }
        self._h2.local_settings = Settings(client=self._client, initial_values=limits)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_ALL_WINDOWS)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """All that it carried is reset."""
        self._transport = None
        for tunnel in list(self._tunnels.values()):
            tunnel.abort()
        self._tunnels.clear()
        if not self._greeted.done():
            self._greeted.set_result(False)
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Frames."""
        try:
            for event in self._h2.receive_data(data):
                self._meet(event)
        except ProtocolError:
            self.close()
        self._flush()

    def pause_writing(self) -> None:
        """The other end is behind: nothing more is read for it."""
        self.full = True
        for tunnel in self._tunnels.values():
            tunnel.read_or_wait()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.full = False
        for tunnel in self._tunnels.values():
            tunnel.read_or_wait()

    def _meet(self, event: Event) -> None:
        match event:
            case DataReceived():
                self._receive(event)
            case WindowUpdated():
                for tunnel in [self._tunnels.get(event.stream_id)] if event.stream_id else list(self._tunnels.values()):
                    if tunnel is not None:
                        tunnel.push()
            case StreamEnded() if tunnel := self._tunnels.get(event.stream_id):
                tunnel.hear_end()
            case StreamReset() if tunnel := self._tunnels.pop(event.stream_id, None):
                tunnel.abort()
            case RequestReceived() if self._requested is not None:
                self._requested(self, event.stream_id, dict(event.headers))
            case ResponseReceived() if (tunnel := self._tunnels.get(event.stream_id)) and tunnel.answered:
                tunnel.answered(tunnel, dict(event.headers))
            case RemoteSettingsChanged() if not self._greeted.done():
                self._greeted.set_result(True)
            case ConnectionTerminated():
                self.close()

    def _receive(self, event: DataReceived) -> None:
        if tunnel := self._tunnels.get(event.stream_id):
            tunnel.receive(event.data, event.flow_controlled_length)
        else:  # it was reset here, and the other end does not know yet
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    # what tunnels, and those who make them, call

    async def greeted(self) -> bool:
        """Waits for the other end; False if there is none."""
        return await asyncio.shield(self._greeted)

    def ask(self, authority: str, answered: Answered) -> Tunnel:
        """Opens a stream that is to lead to `host:port`; the tunnel for it. `answered` is called with it and the headers of the answer."""
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, [(b":method", b"CONNECT"), (b":authority", authority.encode())])
        self._soon()
        return self.carry(Tunnel(self, stream, answered))

    def carry(self, tunnel: Tunnel) -> Tunnel:
        """Takes a tunnel for its stream."""
        self._tunnels[tunnel.stream] = tunnel
        return tunnel

    def answer(self, stream: int, headers: Headers, *, end: bool = False) -> bool:
        """Answers what opened a stream; False if nobody waits for it any more."""
        asked = self._h2.streams.get(stream)
        if not self.open or asked is None or asked.closed:
            return False
        self._h2.send_headers(stream, list(headers), end_stream=end)
        self._soon()
        return True

    def send(self, stream: int, data: bytes) -> bytes:
        """Sends what the stream takes now; the rest."""
        if stream not in self._tunnels:
            return b""
        begin, view = 0, memoryview(data)
        while begin < len(data) and (most := self._room(stream)) > 0:
            self._h2.send_data(stream, bytes(view[begin : begin + most]))
            begin += most
        self._soon()
        return data[begin:]

    def _room(self, stream: int) -> int:
        """How many bytes a frame of a stream may have now."""
        return min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)

    def end(self, stream: int) -> None:
        """Says no more in a stream."""
        if stream in self._tunnels:
            self._h2.end_stream(stream)
            self._soon()

    def acknowledge(self, stream: int, counted: int) -> None:
        """Lets the other end send as much more."""
        if self.open:
            self._h2.acknowledge_received_data(counted, stream)
            self._soon()

    def reset(self, tunnel: Tunnel) -> None:
        """Tells the other end that a connection was reset."""
        if self._tunnels.pop(tunnel.stream, None) is not None and self.open:
            self._h2.reset_stream(tunnel.stream, ErrorCodes.CONNECT_ERROR)
            self._soon()

    def forget(self, stream: int) -> None:
        """A stream has ended at both ends."""
        self._tunnels.pop(stream, None)

    def close(self) -> None:
        """Ends the connection; streams are reset."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _soon(self) -> None:
        """What is said in one round of the loop is written at once."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self._h2.data_to_send()
        if data and self.open:
            assert self._transport is not None
            self._transport.write(data)
