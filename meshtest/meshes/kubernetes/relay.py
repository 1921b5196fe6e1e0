"""Connections that leave pods as their own: a port here stands for a host and port as a pod calls it.

What connects to the port here is carried to the relay in the pod (`meshtest.bookinfo.relay`), all connections of a pod in one through the
API server, and from there goes on through the pod's sidecar.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from meshtest.bookinfo.server import reset
from meshtest.bookinfo.tunnel import Carrier, Tunnel
from meshtest.errors import MeshError

T = TypeVar("T")
Address = tuple[str, int]
Way = tuple[str, str, str, int]

_DEADLINE = 30.0  # seconds for anything but bytes
_REMEMBERED = 10_000  # connections of which it is known where they left the pod


@dataclass
class _Line:
    """The one connection to a pod, made when it is first needed and anew when it was lost; whose turn it is to make it."""

    carrier: Carrier | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Relays:
    """Those of a mesh. `connect` makes a connection to the port `RELAY` of a pod (by its namespace and name), through the API server.

    All sockets belong to a thread of its own; the methods may be called from any.
    """

    def __init__(self, connect: Callable[[str, str], socket.socket]) -> None:
        self._connect = connect
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="meshtest-relays", daemon=True)
        self._thread.start()
        self._lines: dict[tuple[str, str], _Line] = {}
        self._servers: dict[Way, asyncio.Server] = {}
        self._sources: dict[Address, Address] = {}
        self._refusals: dict[Way, str] = {}
        self._leading: set[asyncio.Task[None]] = set()

    def address(self, namespace: str, pod: str, host: str, port: int) -> Address:
        """Where to connect to here so as to call a host and port from a pod; MeshError if there is no way to the pod."""
        return self._run(self._listen((namespace, pod, host, port)))

    def source(self, client: Address) -> Address | None:
        """The address that a connection made here from `client` had when it left the pod, as proxies log it; None while it is not known."""
        return self._sources.get(client)

    def refusal(self, namespace: str, pod: str, host: str, port: int) -> str:
        """Why the last connection that came to nothing did (ECONNREFUSED, EAI_NONAME, ...), or what kept it from the pod."""
        return self._refusals.get((namespace, pod, host, port), "")

    def close(self) -> None:
        """End all connections, and listen no more; harmless when repeated."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_DEADLINE)

    async def _end(self) -> None:
        for server in self._servers.values():
            server.close()
        for line in self._lines.values():
            if line.carrier is not None:
                line.carrier.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_default_executor()
        await asyncio.sleep(0)  # sockets are closed in the loop's next round

    async def _listen(self, way: Way) -> Address:
        await self._carrier(way[:2])
        if way not in self._servers:
            self._servers[way] = await self._loop.create_server(lambda: _Caller(self, way), "127.0.0.1", 0)
        address, number = self._servers[way].sockets[0].getsockname()[:2]
        return str(address), int(number)

    async def _carrier(self, pod: tuple[str, str]) -> Carrier:
        """The connection to a pod that carries all others."""
        line = self._lines.setdefault(pod, _Line())
        async with line.turn:
            if line.carrier is None or not line.carrier.open:
                way = await self._loop.run_in_executor(None, self._connect, *pod)
                _, line.carrier = await self._loop.create_connection(Carrier, sock=way)
                if not await line.carrier.greeted():
                    raise MeshError(
                        f"pod {'/'.join(pod)} has no relay, so that no traffic can leave it: does it run a stand-in? "
                        "`meshtest bookinfo` prints manifests"
                    )
            return line.carrier

    def take(self, way: Way, transport: asyncio.Transport) -> None:
        """Lead a connection that was made here to where it goes."""
        line = self._lines.get(way[:2])
        if line is not None and line.carrier is not None and line.carrier.open:
            self._lead(way, transport, line.carrier)
        else:
            task = self._loop.create_task(self._lead_later(way, transport))
            self._leading.add(task)
            task.add_done_callback(self._leading.discard)

    async def _lead_later(self, way: Way, transport: asyncio.Transport) -> None:
        try:
            carrier = await self._carrier(way[:2])
        except (MeshError, OSError) as error:
            self._refusals[way] = str(error)
            reset(transport)
            return
        if not transport.is_closing():
            self._lead(way, transport, carrier)

    def _lead(self, way: Way, transport: asyncio.Transport, carrier: Carrier) -> None:
        client, host = transport.get_extra_info("peername")[:2], way[2]
        authority = f"[{host}]:{way[3]}" if ":" in host else f"{host}:{way[3]}"
        tunnel = carrier.ask(authority, lambda tunnel, headers: self._answered(way, client, tunnel, headers))
        transport.set_protocol(tunnel)
        tunnel.connection_made(transport)

    def _answered(self, way: Way, client: Address, tunnel: Tunnel, headers: dict[bytes, bytes]) -> None:
        if headers.get(b":status") != b"200":
            self._refusals[way] = headers.get(b"error", b"").decode("latin-1")
            tunnel.refuse()
            return
        host, _, port = headers.get(b"source", b"").decode("latin-1").rpartition(":")
        while len(self._sources) >= _REMEMBERED:
            del self._sources[next(iter(self._sources))]
        self._sources[client] = (host, int(port))
        tunnel.begin()


class _Caller(asyncio.Protocol):
    """A connection that was just made here, until it is known where it leads."""

    def __init__(self, relays: Relays, way: Way) -> None:
        self._relays, self._way = relays, way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits with what it says."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._relays.take(self._way, transport)
