"""The instances of this process: their sockets, applications and connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field

from meshtest.bookinfo.message import Request, Response
from meshtest.bookinfo.plan import Address, Instance, PlanError
from meshtest.bookinfo.server import Application, ServerConnection
from meshtest.bookinfo.upstream import Upstreams

_BACKLOG = 4096


@dataclass(eq=False)
class Running:
    """A running instance; itself the application of its connections, so that open ones see a change of behaviour."""

    instance: Instance
    application: Application
    upstreams: Upstreams
    sockets: list[socket.socket] = field(default_factory=list)
    servers: list[asyncio.Server] = field(default_factory=list)
    connections: set[ServerConnection] = field(default_factory=set)

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """What the instance's application answers."""
        return self.application.answer(request)


class Host:
    """Starts and stops instances, by name."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}

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
            await _serve(running)
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
            for connection in list(running.connections):
                connection.drain()
            running.upstreams.close()

    def close(self) -> None:
        """Stops everything at once; open connections are reset."""
        for running in self._running.values():
            for server in running.servers:
                server.close()
            for connection in list(running.connections):
                connection.abort()
            running.upstreams.close()
        self._running.clear()


def _bind_all(instances: Sequence[Instance]) -> list[Running]:
    started: list[Running] = []
    try:
        for instance in instances:
            upstreams = Upstreams(instance.upstreams, instance.namespace)
            running = Running(instance, _application(instance, upstreams), upstreams)
            started.append(running)
            for address in instance.listen:
                running.sockets.append(_bind(address, instance.name))
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


async def _serve(running: Running) -> None:
    loop = asyncio.get_running_loop()
    for bound in running.sockets:
        server = await loop.create_server(
            lambda: ServerConnection(running, running.connections), sock=bound, backlog=_BACKLOG
        )
        running.servers.append(server)


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
