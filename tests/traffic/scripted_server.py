"""A server that answers with the very bytes that a test gives it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

Script = Callable[["Peer"], None]


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.socket = connection
        self.number = number  # of this connection, from 0
        self.address: tuple[str, int] = connection.getpeername()
        self.ended = threading.Event()
        self._read = b""

    def read_request(self) -> bytes | None:
        """The next whole request, body included; None at the end of the stream."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(self._read) < length:
            if not self._more():
                return None
        body, self._read = self._read[:length], self._read[length:]
        return head + b"\r\n\r\n" + body

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        self._read += data
        if not data:
            self.ended.set()
        return bool(data)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class ScriptedServer:
    """Runs a script for each connection, in a thread of its own."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address: tuple[str, int] = self._listener.getsockname()
        self.peers: list[Peer] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(connection, len(self.peers))
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with peer.socket:
            self._script(peer)

    def join_peers(self) -> None:
        """Waits until every script so far has ended and its connection is closed."""
        for thread in self._threads[1:]:
            thread.join()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        self.join_peers()
