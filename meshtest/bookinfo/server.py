"""HTTP/1.1 for the workloads: one protocol object a connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable
from typing import Protocol

import httptools

from meshtest.bookinfo.message import Request, Response, plain_error

HEAD_LIMIT = 64 * 1024  # bytes; a little above what Envoy lets pass (60 KiB)
BODY_LIMIT = 8 * 1024 * 1024
TLS_HANDSHAKE = b"\x16"  # the first byte of each client that speaks TLS (RFC 8446 5.1)
ASKED_FOR = "asked_for"  # the attribute of an SSL object that keeps the server name, which Python does not
_PIPELINE_LIMIT = 16  # requests read ahead while one is being answered


class Application(Protocol):
    """What a workload does with a request: answers at once, or later."""

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """The response, or something to await for it."""


def proved(transport: asyncio.Transport) -> dict[str, object] | None:
    """What a client has said of itself in TLS: the server name that it asked for, and the names in its certificate."""
    secured = transport.get_extra_info("ssl_object")
    if secured is None:
        return None
    certificate = transport.get_extra_info("peercert") or {}
    names = [value for _, value in certificate.get("subjectAltName", ())]
    return {"server_name": getattr(secured, ASKED_FOR, None), "client": names}


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection by a reset (RST), as the kernel does for a process that dies with work undone."""
    below = transport.get_extra_info("socket")
    if below is not None and below.fileno() != -1:
        below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Connection(Protocol):
    """A connection that its host can end."""

    def drain(self) -> None:
        """Closes when idle, else after the answers under way."""

    def abort(self) -> None:
        """Resets the connection."""


class Connections:
    """The open connections of an instance. One that was under way when the instance ended is closed when it arrives."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._ended = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """A connection is open."""
        self._open.add(connection)
        if self._ended:
            asyncio.get_running_loop().call_soon(connection.drain)

    def discard(self, connection: Connection) -> None:
        """It is closed, or another has taken its place."""
        self._open.discard(connection)

    def drain(self) -> None:
        """Closes all, each when its answers under way are sent."""
        self._ended = True
        for each in list(self._open):
            each.drain()

    def abort(self) -> None:
        """Resets all."""
        self._ended = True
        for each in list(self._open):
            each.abort()


class ServerConnection(asyncio.Protocol):
    """One connection from a client; requests are answered one after the other, in order."""

    def __init__(self, application: Application, connections: Connections) -> None:
        self._application, self._connections = application, connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._closing = self._finished_one = False
        self._tls: dict[str, object] | None = None
        self._reset()

    def _reset(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._head_bytes = self._field_bytes = self._body_bytes = 0
        self._in_head = True

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._tls = proved(transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: nobody waits for the answer under way."""
        self._connections.discard(self)
        self._transport = None
        self._closing = True
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._closing:
            return
        was_in_head, self._finished_one = self._in_head, False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._closing = True  # no other protocol is spoken here: the request was answered as it stands
            self._hang_up_when_answered()
        except httptools.HttpParserError:
            if data.startswith(TLS_HANDSHAKE):
                self.abort()  # nobody who begins so would understand an answer
            else:
                self._refuse(400)
        if was_in_head and self._in_head and not self._finished_one:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse(431)

    # what httptools calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reset()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url
        self._field_bytes += len(url)
        if self._field_bytes > HEAD_LIMIT:
            self._refuse(431)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those after the body (trailers) are not wanted."""
        self._field_bytes += len(name) + len(value) + 4  # ": " and the end of the line
        if self._in_head and self._field_bytes <= HEAD_LIMIT:
            self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The end of the head: what HTTP forbids is refused."""
        self._in_head = False
        if self._field_bytes > HEAD_LIMIT:
            self._refuse(431)
            return
        names = dict(self._headers)
        if "host" not in names and self._parser.get_http_version() == "1.1":
            self._refuse(400)  # RFC 9112 3.2
        elif names.get("expect", "").lower() == "100-continue" and self._transport and not self._closing:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > BODY_LIMIT:
            self._refuse(413)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The end of the request."""
        self._in_head = self._finished_one = True
        if self._closing:
            return
        request = Request(
            self._parser.get_method().decode("latin-1"),
            self._target.decode("latin-1"),
            self._headers,
            b"".join(self._body),
            self._tls,
        )
        self._take(request, self._parser.should_keep_alive())

    # answering

    def _take(self, request: Request, keep: bool) -> None:
        if self._answering is not None:
            self._waiting.append((request, keep))
            if len(self._waiting) >= _PIPELINE_LIMIT and self._transport:
                self._transport.pause_reading()
            return
        try:
            response = self._application.answer(request)
        except Exception:
            response = plain_error(500)
        if isinstance(response, Response):
            self._send(request, response, keep)
        else:
            self._answering = asyncio.ensure_future(self._answer_later(request, response, keep))

    async def _answer_later(self, request: Request, later: Awaitable[Response], keep: bool) -> None:
        try:
            response = await later
        except Exception:
            response = plain_error(500)
        self._answering = None
        self._send(request, response, keep)
        self._resume()

    def _resume(self) -> None:
        while self._waiting and self._answering is None and self._transport:
            self._take(*self._waiting.popleft())
        if self._transport and not self._closing:
            self._transport.resume_reading()

    def _send(self, request: Request, response: Response, keep: bool) -> None:
        if self._transport is None:
            return
        if response.cut is not None:
            self._cut(response, response.cut.reset)
            return
        close = not keep or response.close or (self._closing and not self._waiting)
        self._transport.write(response.encode(head_only=request.method == "HEAD", close=close))
        if close:
            self._hang_up()

    def _cut(self, response: Response, by_reset: bool) -> None:
        """Sends the beginning of a response and ends the connection."""
        assert self._transport is not None
        self._transport.write(response.begun())
        self._closing = True
        if by_reset:
            self.abort()
        else:
            self._hang_up()

    def _refuse(self, status: int) -> None:
        """Answers what cannot be read and hangs up, once the requests before it are answered."""
        if self._closing:
            return
        self._closing = True
        if self._answering is None and self._transport:
            self._transport.write(plain_error(status).encode(head_only=False, close=True))
            self._hang_up()

    def _hang_up_when_answered(self) -> None:
        if self._answering is None:
            self._hang_up()

    def _hang_up(self) -> None:
        self._closing = True
        self._waiting.clear()
        if self._transport:
            self._transport.close()

    # what the host calls

    def drain(self) -> None:
        """Closes when idle, else after the answers under way."""
        self._closing = True
        self._hang_up_when_answered()

    def abort(self) -> None:
        """Resets the connection."""
        if self._transport:
            reset(self._transport)
