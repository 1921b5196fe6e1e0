"""One client connection: a non-blocking socket that carries one exchange at a time."""

from __future__ import annotations

import errno
import os
import socket
import sys

from meshtest.traffic.answer import Answer

_RECEIVE = 64 * 1024
# Linux: choose the port of a bound source address only when connecting, so that ports are shared between destinations.
_IP_BIND_ADDRESS_NO_PORT = 24
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})
_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timed out",
}


class Connection:
    """A connection under way or open.

    ``number`` is the request of the current exchange, ``unsent`` what is left to send of it, ``error`` what went wrong
    (a few words, for the sample) and ``answer`` what came back.
    """

    __slots__ = (
        "_write_error",
        "answer",
        "connecting",
        "error",
        "number",
        "registered",
        "socket",
        "unsent",
        "wants_write",
    )

    socket: socket.socket

    def __init__(self) -> None:
        self.answer = Answer()
        self.number = -1
        self.unsent: bytes | memoryview = b""
        self.error: str | None = None
        self._write_error: str | None = None
        self.connecting = True
        self.registered = False
        self.wants_write = True

    def open(self, family: int, address: tuple[object, ...], source: str | None) -> None:
        """Starts to connect, from the local IP address ``source`` if given. Raises ``OSError`` without a socket."""
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._connect(address, source)
        except OSError as error:
            self.error = f"connect: {_words(error.errno, error)}"

    def _connect(self, address: tuple[object, ...], source: str | None) -> None:
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            if sys.platform == "linux":
                self.socket.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            self.socket.bind((source, 0))
        code = self.socket.connect_ex(address)
        if code not in _UNDER_WAY:
            raise OSError(code, os.strerror(code))

    @property
    def alive(self) -> bool:
        """Whether an idle connection can take a request: the peer has neither closed it nor sent anything unasked."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    def begin(self, number: int, method: str, payload: bytes) -> None:
        """Starts an exchange; sends at once what the socket takes."""
        self.number = number
        self._write_error = None
        self.answer.expect(method)
        self.unsent = payload
        if not self.connecting:
            self.send()

    def ready_to_write(self) -> None:
        """Takes the outcome of connecting, if that was under way, and sends what is left."""
        if self.connecting:
            self.connecting = False
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.error = f"connect: {_words(code)}"
                return
        if self.unsent:
            self.send()

    def send(self) -> None:
        """Sends what the socket takes. A peer that hung up may have answered before: `receive` finds out."""
        try:
            sent = self.socket.send(self.unsent)
            self.unsent = memoryview(self.unsent)[sent:] if sent < len(self.unsent) else b""
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._write_error = f"write: {_words(error.errno, error)}"
            self.unsent = b""

    def receive(self) -> None:
        """Reads what has come and feeds it to the answer."""
        try:
            data = self.socket.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.error = self._write_error or f"read: {_words(error.errno, error)}"
            return
        if data:
            self.answer.feed(data)
        else:
            self.answer.finish()
        if not self.answer.complete:
            self.error = (self._write_error if not data else None) or self.answer.error

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow: all was sent, the answer allows it, and the peer has not closed."""
        return self.answer.reusable and not self.unsent and self._write_error is None and self.alive

    def close(self) -> None:
        """Closes the socket; harmless when repeated, and before there is one."""
        if hasattr(self, "socket"):
            self.socket.close()


def _words(code: int | None, error: OSError | None = None) -> str:
    if code is None:
        return str(error)
    return _WORDS.get(code) or os.strerror(code).lower()
