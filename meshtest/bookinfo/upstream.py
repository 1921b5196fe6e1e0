"""The workloads' own HTTP/1.1 client: pooled connections to the sidecar listeners that stand for services."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httptools

from meshtest.bookinfo.plan import Address

_IDLE_LIMIT = 64  # connections kept open per address
_BODY_LIMIT = 8 * 1024 * 1024


class UpstreamError(Exception):
    """No whole answer: unknown name, refused, reset, malformed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an upstream."""

    status: int
    body: bytes


class Upstreams:
    """Calls services by the names that Kubernetes gives them: at these addresses, or (None) where DNS says. Never retries."""

    def __init__(self, addresses: Mapping[str, Address] | None, namespace: str) -> None:
        self._namespace = namespace
        self._idle: dict[Address, list[ClientConnection]] = {}
        self._closed = False
        self._looked_up = addresses is None
        self.move(addresses or {})

    @property
    def addresses(self) -> Mapping[str, Address] | None:
        """Where the names are; None if DNS says it."""
        return None if self._looked_up else self._addresses

    def move(self, addresses: Mapping[str, Address]) -> None:
        """Makes the names stand for other addresses; idle connections to those that are left are closed."""
        self._addresses = dict(addresses)
        self._canonical = {self._full(name): address for name, address in addresses.items()}
        for address in self._idle.keys() - set(self._addresses.values()):
            for connection in self._idle.pop(address):
                connection.abort()

    def _full(self, authority: str) -> str:
        """``reviews:9080`` with the search domains of a pod's resolver: ``reviews.default.svc.cluster.local:9080``."""
        host, _, port = authority.partition(":")
        labels = host.rstrip(".").split(".")
        if len(labels) == 1:
            labels.append(self._namespace)
        if len(labels) == 2:
            labels.append("svc")
        if len(labels) == 3 and labels[2] == "svc":
            labels += ["cluster", "local"]
        return f"{'.'.join(labels)}:{port}".lower()

    def resolve(self, authority: str) -> Address:
        """The address that stands for ``host:port``. Raises `UpstreamError` for a name that is not in the plan."""
        if self._looked_up:
            host, _, port = authority.partition(":")
            return host, int(port)
        address = self._addresses.get(authority) or self._canonical.get(self._full(authority))
        if address is None:
            raise UpstreamError(f"no upstream {authority}")
        return address

    async def get(self, authority: str, path: str, headers: Iterable[tuple[str, str]], timeout: float) -> Answer:
        """GETs ``path`` from ``host:port`` within ``timeout`` seconds. Raises `UpstreamError` or ``TimeoutError``."""
        address = self.resolve(authority)
        lines = [f"GET {path} HTTP/1.1", f"Host: {authority}", "Accept: */*"]
        lines.extend(f"{name}: {value}" for name, value in headers)
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        async with asyncio.timeout(timeout):
            connection = self._take(address) or await self._open(address)
            try:
                answer = await connection.exchange(head)
            except BaseException:
                connection.abort()
                raise
        self._keep(address, connection)
        return answer

    def _take(self, address: Address) -> ClientConnection | None:
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
            connection.abort()
        return None

    async def _open(self, address: Address) -> ClientConnection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(ClientConnection, *address)
        except OSError as error:
            raise UpstreamError(str(error)) from error
        return connection

    def _keep(self, address: Address, connection: ClientConnection) -> None:
        idle = self._idle.setdefault(address, [])
        if connection.reusable and len(idle) < _IDLE_LIMIT and not self._closed:
            idle.append(connection)
        else:
            connection.abort()

    def close(self) -> None:
        """Closes the idle connections, and the others once their answers are in."""
        self._closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()


class ClientConnection(asyncio.Protocol):
    """One connection to an upstream, one exchange at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._framed = self._in_body = False
        self._poll: select.poll | None = None
        self.reusable = True

    async def exchange(self, head: bytes) -> Answer:
        """Sends a request without a body and waits for its answer. Raises `UpstreamError`."""
        if self._transport is None:
            raise UpstreamError("closed by the peer")
        self._body.clear()
        self._size = 0
        self._framed = self._in_body = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(head)
        return await self._answer

    @property
    def usable(self) -> bool:
        """Whether an idle connection can be used: neither closed nor readable, also before the loop has looked."""
        if self._transport is None or self._transport.is_closing() or not self.reusable:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def abort(self) -> None:
        """Closes at once."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, which may be the end of a body."""
        self._transport = None
        self.reusable = False
        if self._in_body and not self._framed and exc is None:
            self._done()  # the end of the stream was the end of the body
        self._fail(str(exc) if exc else "closed by the peer")

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            self._fail(f"malformed answer: {error}")

    # what httptools calls

    def on_message_begin(self) -> None:
        """An answer that nobody asked for spoils the connection."""
        if self._answer is None or self._answer.done():
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; only the framing matters."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        """The end of a head, perhaps of an interim answer (1xx)."""
        self._in_body = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        if self._size > _BODY_LIMIT:
            self._fail("answer too large")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The end of the answer, unless it was an interim one."""
        if self._in_body:
            self.reusable = self.reusable and self._parser.should_keep_alive()
            self._done()

    def _done(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), b"".join(self._body)))

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UpstreamError(reason))
