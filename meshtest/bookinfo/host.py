"""The instances of this process: their sockets, applications and connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from meshtest.bookinfo.lines import LineConnection
from meshtest.bookinfo.message import Request, Response
from meshtest.bookinfo.opening import Opening
from meshtest.bookinfo.plan import Address, Instance, Listen, PlanError
from meshtest.bookinfo.server import Application, Connections, ServerConnection
from meshtest.bookinfo.upstream import Upstreams

if TYPE_CHECKING:
    import ssl

    from meshtest.bookinfo.tls import Certificates, TlsServer

_BACKLOG = 4096


@dataclass(eq=False)
class Running:
    """A running instance; itself the application of its connections, so that open ones see a change of behaviour."""

    instance: Instance
    application: Application
    upstreams: Upstreams
    sockets: list[socket.socket] = field(default_factory=list)
    servers: list[asyncio.Server | TlsServer] = field(default_factory=list)
    connections: Connections = field(default_factory=Connections)

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """What the instance's application answers."""
        return self.application.answer(request)


class Host:
    """Starts and stops instances, by name."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self.certificates: Certificates | None = None
        """What instances prove themselves with in TLS; without them TLS is hung up on."""

    @property
    def names(self) -> list[str]:
        """The names of the running instances, in the order of their start."""
        return list(self._running)

    async def add(self, instances: Sequence[Instance]) -> list[dict[str, object]]:
        """Starts instances, all or none; says where: ``{"name", "address": [ip, port]}`` a socket, in the plan's order.

        Raises `PlanError` for a name that runs already or an address that cannot be bound.
        """
        if again := [instance.name for instance in instances if instance.name in self._running]:
            raise PlanError(f"already running: {', '.join(again)}")
        started = _bind_all(instances)
        for running in started:
            self._running[running.instance.name] = running
            for listen, bound in zip(running.instance.listen, running.sockets, strict=True):
                running.servers.append(await self._serve(running, listen, bound))
        return [
            {"name": running.instance.name, "address": list(bound.getsockname()[:2])}
            for running in started
            for bound in running.sockets
        ]

    def remove(self, names: Iterable[str]) -> None:
        """Stops instances: no new connections, and the open ones close once their requests are answered.

        Raises `PlanError` for a name that does not run, and then stops none.
        """
        names = list(names)
        if unknown := [name for name in names if name not in self._running]:
            raise PlanError(f"not running: {', '.join(unknown)}")
        for name in dict.fromkeys(names):
            running = self._running.pop(name)
            for server in running.servers:
                server.close()
            running.connections.drain()
            running.upstreams.close()

    def call(self, upstreams: Mapping[str, Mapping[str, Address]]) -> None:
        """Makes instances, by name, reach their upstreams at other addresses; calls under way are finished.

        Raises `PlanError` for a name that does not run, and then changes none.
        """
        if unknown := [name for name in upstreams if name not in self._running]:
            raise PlanError(f"not running: {', '.join(unknown)}")
        for name, addresses in upstreams.items():
            self._running[name].upstreams.move(addresses)

    async def _serve(self, running: Running, listen: Listen, bound: socket.socket) -> asyncio.Server | TlsServer:
        """Serves a socket; several ways to speak are told apart by what a client begins with."""
        speech, loop = listen.speech, asyncio.get_running_loop()
        if not speech.tls:
            return await loop.create_server(_protocol(running, listen, clear=True), sock=bound, backlog=_BACKLOG)
        from meshtest.bookinfo.tls import TlsServer

        clear = _protocol(running, listen, clear=True) if speech.clear else None
        return TlsServer(
            bound, partial(self._context, running.instance), _protocol(running, listen, clear=False), clear
        )

    def _context(self, instance: Instance) -> ssl.SSLContext | None:
        return None if self.certificates is None else self.certificates.context((*instance.certified, instance.says))

    def close(self) -> None:
        """Stops everything at once; open connections are reset."""
        for running in self._running.values():
            for server in running.servers:
                server.close()
            running.connections.abort()
            running.upstreams.close()
        self._running.clear()


def _bind_all(instances: Sequence[Instance]) -> list[Running]:
    started: list[Running] = []
    try:
        for instance in instances:
            upstreams = Upstreams(instance.upstreams, instance.namespace)
            running = Running(instance, _application(instance, upstreams), upstreams)
            started.append(running)
            for listen in instance.listen:
                running.sockets.append(_bind(listen.address, instance.name))
    except BaseException:
        for running in started:
            for bound in running.sockets:
                bound.close()
        raise
    return started


def _bind(address: Address, name: str) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise PlanError(f"{name} cannot listen on {address[0]}:{address[1]}: {error.strerror or error}") from error
    return bound


def _protocol(running: Running, listen: Listen, clear: bool) -> Callable[[], asyncio.Protocol]:
    """What makes the protocol of a connection, in the clear or within TLS."""

    def http() -> asyncio.Protocol:
        return ServerConnection(running, running.connections)

    def lines() -> asyncio.Protocol:
        return LineConnection(running.instance.prefix or running.instance.says, running.connections)

    if not listen.speech.lines:
        return http
    return lambda: Opening(http if listen.speech.http else lines, lines, running.connections, clear)


def _application(instance: Instance, upstreams: Upstreams) -> Application:
    """The application of an instance; imported only now, since most processes do not run every kind."""
    match instance.kind:
        case "productpage":
            from meshtest.bookinfo.productpage import ProductPage

            return ProductPage(instance, upstreams)
        case "reviews":
            from meshtest.bookinfo.reviews import Reviews

            return Reviews(instance, upstreams)
        case "ratings":
            from meshtest.bookinfo.ratings import Ratings

            return Ratings(instance)
        case "details":
            from meshtest.bookinfo.details import Details

            return Details()
    from meshtest.bookinfo.echo import Echo

    return Echo(instance)
