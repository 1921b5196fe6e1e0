"""A driver's connections: each socket has an owner from its first moment, so that an interruption leaves none open."""

from __future__ import annotations

import selectors

from meshtest.errors import MeshError
from meshtest.traffic.connection import Connection

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Pool:
    """Connections to one address: lent out one exchange after the other, kept open while idle."""

    def __init__(self, family: int, address: tuple[object, ...], source: str | None) -> None:
        self._family, self._address, self._source = family, address, source
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.closed = False

    def take(self) -> Connection:
        """An idle connection whose peer is still there, else a new one, which may have failed already (its ``error``).

        Raises ``MeshError`` when the system gives no socket.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.alive:
                return connection
            self.drop(connection)
        return self._open()

    def _open(self) -> Connection:
        connection = Connection()
        self._all.add(connection)
        try:
            connection.open(self._family, self._address, self._source)
        except OSError as error:
            raise MeshError(f"no socket to send from: {error.strerror}; raise the limit of open files") from error
        if connection.error is None:
            self._selector.register(connection.socket, READ | WRITE, connection)
            connection.registered = True
        return connection

    def put_back(self, connection: Connection) -> None:
        """Takes back a connection for another exchange."""
        connection.number = -1
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Closes a connection, idle or lent out."""
        if connection.number < 0 and connection in self._idle:
            self._idle.remove(connection)
        if connection.registered:
            connection.registered = False
            self._selector.unregister(connection.socket)
        connection.close()
        connection.number = -1
        self._all.discard(connection)

    def watch(self, connection: Connection) -> None:
        """Wakes for writing only while a connection has something to send."""
        wants_write = connection.connecting or bool(connection.unsent)
        if wants_write != connection.wants_write:
            connection.wants_write = wants_write
            self._selector.modify(connection.socket, READ | WRITE if wants_write else READ, connection)

    def wait(self, seconds: float | None) -> list[tuple[Connection, int]]:
        """The connections that can be read or written, with a mask of which."""
        return [(key.data, mask) for key, mask in self._selector.select(seconds)]

    def renew(self) -> None:
        """Closes the idle connections."""
        for connection in list(self._idle):
            self.drop(connection)

    def reset(self) -> None:
        """Closes all connections, in whatever state an interruption left them."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()
        self._selector.close()  # what it still watched is gone with it
        self._selector = selectors.DefaultSelector()

    def close(self) -> None:
        """Closes everything for good."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()
        self._selector.close()
        self.closed = True
