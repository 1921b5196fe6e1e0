"""Ports here that stand for others: of a pod (a port-forward), or of a host as a pod calls it, so that connections leave it as its own.

The latter are carried to the relay in the pod (`meshtest.bookinfo.relay`), all of a pod in one connection through the API server, and go
on from there through its sidecar. Resets and half-closes are passed on; a port-forward knows but one end for both.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from meshtest.bookinfo.ports import RELAY
from meshtest.bookinfo.server import reset
from meshtest.bookinfo.tunnel import Carrier, Tunnel
from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.pump import Pump
from meshtest.topology.instance import Instance

T = TypeVar("T")
Address = tuple[str, int]
Pod = tuple[str, str]
Way = tuple[str, str, str, int]
Lead = Callable[[asyncio.Transport], Coroutine[Any, Any, None]]

_DEADLINE = 20.0  # seconds for a relay to answer
_REMEMBERED = 10_000  # connections of which it is known where they left the pod
_ROUNDS = 5  # of the event loop, until a connection that was made here is known: it is accepted, and a transport and a protocol are made


@dataclass
class _Line:
    """The one connection to a pod, made when it is first needed and anew when it was lost; whose turn it is to make it."""

    carrier: Carrier | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Relays:
    """Those of a mesh. `connect` makes a connection to a port of a pod's loopback, by its namespace and name (`Api.forward`).

    All sockets belong to a thread of its own; the methods may be called from any.
    """

    def __init__(self, connect: Callable[[str, str, int], socket.socket]) -> None:
        self._connect = connect
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="meshtest-relays", daemon=True)
        self._thread.start()
        self._turn = asyncio.Lock()
        self._lines: dict[Pod, _Line] = {}
        self._servers: dict[tuple[str | int, ...], asyncio.Server] = {}
        self._sources: dict[Address, asyncio.Future[Address]] = {}
        self._refusals: dict[Way, str] = {}
        self._leading: set[asyncio.Task[None]] = set()

    def to(self, caller: Instance, host: str, port: int) -> Address:
        """Where to connect to here so as to call a host and port from a pod; MeshError if there is no relay in the pod."""
        return self._run(self._relayed((caller.namespace, caller.name, host, port)))

    def forwarded(self, instance: Instance, port: int) -> Address:
        """Where to connect to here so as to be connected to a port of a pod, past its sidecar's interception."""
        lead = partial(self._forward, (instance.namespace, instance.name), port)
        return self._run(self._listen((instance.namespace, instance.name, port), lead))

    def source_of(self, client: Address) -> Address:
        """The address that a connection which was made here from `client` has where it leaves the pod, and by which proxies log it.

        Of any other connection `client` itself.
        """
        return self._run(self._left_from(client))

    def refusal(self, caller: Instance, host: str, port: int) -> str:
        """Why the last connection to a host that came to nothing did: ECONNREFUSED, EAI_NONAME, ...; empty if all came to something."""
        return self._refusals.get((caller.namespace, caller.name, host, port), "")

    def close(self) -> None:
        """End all connections, and listen no more; harmless when repeated."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _end(self) -> None:
        for server in self._servers.values():
            server.close()
        for line in self._lines.values():
            if line.carrier is not None:
                line.carrier.abort()
        for task in self._leading:
            task.cancel()
        await asyncio.gather(*self._leading, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _listen(self, what: tuple[str | int, ...], lead: Lead) -> Address:
        """The port here that stands for something."""
        async with self._turn:
            if what not in self._servers:
                self._servers[what] = await self._loop.create_server(lambda: _Caller(self._take, lead), "127.0.0.1", 0)
        address, number = self._servers[what].sockets[0].getsockname()[:2]
        return str(address), int(number)

    def _take(self, transport: asyncio.Transport, lead: Lead) -> None:
        """Leads a connection that was made here to where it goes."""
        task = self._loop.create_task(_led(transport, lead))
        self._leading.add(task)
        task.add_done_callback(self._leading.discard)

    async def _relayed(self, way: Way) -> Address:
        await self._carrier(way[:2])
        return await self._listen(way, partial(self._relay, way))

    async def _relay(self, way: Way, transport: asyncio.Transport) -> None:
        """Leads a connection to a pod, and from there on."""
        client, host = transport.get_extra_info("peername")[:2], way[2]
        self._remember(client)
        try:
            carrier = await self._carrier(way[:2])
        except (MeshError, OSError) as error:
            self._refuse(way, client, str(error))
            reset(transport)
            return
        if not transport.is_closing():
            authority = f"[{host}]:{way[3]}" if ":" in host else f"{host}:{way[3]}"
            tunnel = carrier.ask(authority, partial(self._answered, way, client))
            transport.set_protocol(tunnel)
            tunnel.connection_made(transport)

    def _answered(self, way: Way, client: Address, tunnel: Tunnel, headers: dict[bytes, bytes]) -> None:
        if headers.get(b":status") != b"200":
            self._refuse(way, client, headers.get(b"error", b"").decode("latin-1"))
            tunnel.refuse()
            return
        host, _, port = headers.get(b"source", b"").decode("latin-1").rpartition(":")
        if not (left := self._sources[client]).done():
            left.set_result((host, int(port)))
        tunnel.begin()

    def _remember(self, client: Address) -> None:
        while len(self._sources) >= _REMEMBERED:
            del self._sources[next(iter(self._sources))]
        self._sources.pop(client, None)  # so that it is the youngest
        self._sources[client] = self._loop.create_future()

    def _refuse(self, way: Way, client: Address, reason: str) -> None:
        self._refusals[way] = reason
        if not (left := self._sources[client]).done():
            left.set_result(client)

    async def _left_from(self, client: Address) -> Address:
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        if (left := self._sources.get(client)) is None:
            return client
        await asyncio.wait([left], timeout=_DEADLINE)
        return left.result() if left.done() else client

    async def _carrier(self, pod: Pod) -> Carrier:
        """The connection to a pod that carries all others."""
        line = self._lines.setdefault(pod, _Line())
        async with line.turn:
            if line.carrier is None or not line.carrier.open:
                way = await self._loop.run_in_executor(None, self._connect, *pod, RELAY)
                _, line.carrier = await self._loop.create_connection(Carrier, sock=way)
                if not await _greeted(line.carrier):
                    raise MeshError(
                        f"pod {'/'.join(pod)} has no relay, so that no traffic can leave it: does it run a stand-in? "
                        "`meshtest bookinfo` prints manifests"
                    )
            return line.carrier

    async def _forward(self, pod: Pod, port: int, transport: asyncio.Transport) -> None:
        """Leads a connection to a port of a pod; until its end."""
        here = Pump.takes(transport)
        try:
            way = await self._loop.run_in_executor(None, self._connect, *pod, port)
            _, there = await self._loop.create_connection(Pump, sock=way)
        except (MeshError, OSError):
            reset(transport)
            return
        here.join(there)
        try:
            await there.ended
        finally:
            here.close()
            there.close()


async def _greeted(carrier: Carrier) -> bool:
    """Whether a relay answers."""
    try:
        return await asyncio.wait_for(carrier.greeted(), _DEADLINE)
    except TimeoutError:
        carrier.abort()
        return False


async def _led(transport: asyncio.Transport, lead: Lead) -> None:
    """Whatever goes wrong, nobody is left waiting."""
    try:
        await lead(transport)
    except BaseException:
        reset(transport)
        raise


class _Caller(asyncio.Protocol):
    """A connection that was just made here, until it is known where it leads."""

    def __init__(self, take: Callable[[asyncio.Transport, Lead], None], lead: Lead) -> None:
        self._take, self._lead = take, lead

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits with what it says."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._take(transport, self._lead)
