"""The instances of this process: their sockets, applications and connections."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from meshtest.bookinfo.behaviour import CLOSES, FAILS, HANGS_UP, Behaviour
from meshtest.bookinfo.conduct import Conduct, Rule, failure, release
from meshtest.bookinfo.lines import LineConnection
from meshtest.bookinfo.message import Cut, Request, Response
from meshtest.bookinfo.opening import Opening
from meshtest.bookinfo.plan import Address, Instance, Listen, PlanError
from meshtest.bookinfo.server import Application, Connections, ServerConnection
from meshtest.bookinfo.upstream import Upstreams

if TYPE_CHECKING:
    import ssl

    from meshtest.bookinfo.tls import Certificates, TlsServer

_BACKLOG = 4096
_LOOK = 0.02  # seconds between looks at connections that are to close


@dataclass(eq=False)
class Running:
    """A running instance; itself the application of its connections, so that open ones see a change of behaviour."""

    instance: Instance
    application: Application
    upstreams: Upstreams
    conduct: Conduct
    addresses: list[Address] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    servers: list[asyncio.Server | TlsServer] = field(default_factory=list)
    connections: Connections = field(default_factory=Connections)

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """What the instance's application answers, unless a behaviour decides otherwise."""
        rule = self.conduct.meet(request)
        return self.application.answer(request) if rule is None else self._otherwise(rule, request)

    def _otherwise(self, rule: Rule, request: Request) -> Response | Awaitable[Response]:
        given = rule.behaviour
        if given.kind == FAILS:
            return failure(given, self.conduct.podname)
        if given.kind == HANGS_UP and given.when == "before":
            return Response(200).ending(cut=Cut(given.when, given.reset))
        return self._later(rule, request)

    async def _later(self, rule: Rule, request: Request) -> Response:
        """The application's answer, but late, or cut off."""
        given = rule.behaviour
        if given.kind not in (HANGS_UP, CLOSES):
            await rule.wait()
        self.conduct.late()
        found = self.application.answer(request)
        response = found if isinstance(found, Response) else await found
        if given.kind == HANGS_UP:
            return response.ending(cut=Cut(given.when, given.reset))
        return response.ending(close=True) if given.kind == CLOSES else response

    def bind(self, addresses: Sequence[Address]) -> None:
        """Takes its addresses. Raises `PlanError` for one that cannot be had."""
        for address in addresses:
            self.sockets.append(_bind(address, self.instance.name))
            self.addresses.append(self.sockets[-1].getsockname()[:2])

    def fall(self) -> None:
        """Dies: connections are reset, new ones refused."""
        for server in self.servers:
            server.close()
        for bound in self.sockets:
            bound.close()
        self.servers.clear()
        self.sockets.clear()
        self.connections.abort()
        self.upstreams.close()


class Host:
    """Starts and stops instances, by name."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._conducts: dict[str, Conduct] = {}
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
        started = self._bind_all(instances)
        for running in started:
            conduct = self._conducts.setdefault(running.instance.behaves_as, running.conduct)
            self._running[running.instance.name] = running
            await self._begin(running)
            if conduct.down:
                running.fall()
        return [
            {"name": running.instance.name, "address": list(address)}
            for running in started
            for address in running.addresses
        ]

    async def _begin(self, running: Running) -> None:
        for listen, bound in zip(running.instance.listen, running.sockets, strict=True):
            running.servers.append(await self._serve(running, listen, bound))

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
        kept = {each.instance.behaves_as for each in self._running.values()}
        for pod in self._conducts.keys() - kept:
            self._conducts.pop(pod).recover()

    async def drain(self, patience: float) -> None:
        """Stops all instances, and waits until the open connections are closed; at most so many seconds."""
        leaving, deadline = list(self._running.values()), time.monotonic() + patience
        self.remove(self.names)
        while any(len(each.connections) for each in leaving) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK)

    def behave(self, pods: Iterable[str], number: int, behaviour: Behaviour) -> None:
        """Puts a behaviour in force, by a number of the caller's. Raises `PlanError` for a name that does not run, or a number taken."""
        for conduct in self._of(pods):
            conduct.behave(number, behaviour)

    def recover(self, pods: Iterable[str], numbers: Sequence[int] | None) -> int:
        """Takes behaviours back, all by default; what they held is answered. How many requests they have decided.

        Raises `PlanError` for a name that does not run.
        """
        return sum(conduct.recover(numbers) for conduct in self._of(pods))

    def release(self, pods: Iterable[str], number: int, most: int | None) -> int:
        """Lets go what a behaviour holds, the oldest first; how many. Raises `PlanError` for a name that does not run."""
        return release([rule for conduct in self._of(pods) for rule in conduct.rules(number)], most)

    def waiting(self, pods: Iterable[str], number: int) -> dict[str, object]:
        """How long requests have waited for a behaviour's end, in seconds, by pod. Raises `PlanError` for a name that does not run."""
        return {
            pod: [age for rule in conduct.rules(number) for age in rule.ages()] for pod, conduct in self._named(pods)
        }

    def record(self, pods: Iterable[str], number: int) -> None:
        """Starts a recording of what pods are asked. Raises `PlanError` for a name that does not run."""
        for conduct in self._of(pods):
            conduct.record(number)

    def recorded(self, pods: Iterable[str], number: int, end: bool) -> dict[str, object]:
        """What a recording holds, by pod; `end` ends it. Raises `PlanError` for a name that does not run."""
        return {pod: conduct.recorded(number, end) for pod, conduct in self._named(pods)}

    def observe(self, pods: Iterable[str]) -> dict[str, object]:
        """What pods have seen and hold, by their names. Raises `PlanError` for a name that does not run."""
        return {
            pod: conduct.observe(sum(len(each.connections) for each in self._parts(pod)))
            for pod, conduct in self._named(pods)
        }

    def crash(self, pods: Iterable[str]) -> None:
        """Resets all connections of pods and refuses new ones. Raises `PlanError` for a name that does not run."""
        for pod, conduct in self._named(pods):
            conduct.down = True
            for running in self._parts(pod):
                running.fall()

    async def restart(self, pods: Sequence[str]) -> None:
        """Starts pods anew, where they were, as if they had never seen a request; those that run crash first.

        Raises `PlanError` for a name that does not run, and for an address that somebody else has taken.
        """
        self.crash(pods)
        for pod, conduct in self._named(pods):
            conduct.reset()
            for old in self._parts(pod):
                self._running[old.instance.name] = running = _again(old)
                await self._begin(running)
            conduct.down = False

    def set_ready(self, pods: Iterable[str], ready: bool) -> None:
        """What pods answer when they are asked whether they are ready. Raises `PlanError` for a name that does not run."""
        for conduct in self._of(pods):
            conduct.ready = ready

    @property
    def ready(self) -> bool:
        """Whether all pods are."""
        return all(conduct.ready for conduct in self._conducts.values())

    @property
    def requests(self) -> int:
        """How many requests all pods have seen since they (re)started."""
        return sum(conduct.requests for conduct in self._conducts.values())

    async def restore(self) -> None:
        """Takes back whatever pods were told, and starts those that are down."""
        for conduct in self._conducts.values():
            conduct.restore()
        await self.restart([pod for pod, conduct in self._conducts.items() if conduct.down])

    def _named(self, pods: Iterable[str]) -> list[tuple[str, Conduct]]:
        pods = list(pods)
        if unknown := [pod for pod in pods if pod not in self._conducts]:
            raise PlanError(f"not running: {', '.join(unknown)}")
        return [(pod, self._conducts[pod]) for pod in pods]

    def _of(self, pods: Iterable[str]) -> list[Conduct]:
        return [conduct for _, conduct in self._named(pods)]

    def _parts(self, pod: str) -> list[Running]:
        """The instances that behave as one: a pod's, for several groups of ports."""
        return [each for each in self._running.values() if each.instance.behaves_as == pod]

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

    def _bind_all(self, instances: Sequence[Instance]) -> list[Running]:
        started: list[Running] = []
        conducts = dict(self._conducts)
        try:
            for instance in instances:
                conduct = conducts.setdefault(instance.behaves_as, Conduct(instance.says))
                started.append(_new(instance, Upstreams(instance.upstreams, instance.namespace), conduct))
                started[-1].bind([listen.address for listen in instance.listen])
        except BaseException:
            for running in started:
                running.fall()
            raise
        return started


def _new(instance: Instance, upstreams: Upstreams, conduct: Conduct) -> Running:
    return Running(instance, _application(instance, upstreams), upstreams, conduct)


def _again(old: Running) -> Running:
    """A fallen instance, ready to serve where it was."""
    upstreams = Upstreams(old.upstreams.addresses, old.instance.namespace)
    running = _new(old.instance, upstreams, old.conduct)
    try:
        running.bind(old.addresses)
    except PlanError:
        running.fall()
        raise
    return running


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
        prefix = running.instance.prefix or running.instance.says
        return LineConnection(prefix, running.connections, running.conduct)

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
