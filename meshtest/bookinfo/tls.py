"""TLS for the workloads: certificates made when a name is first asked for, and ports that look at the first byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

from meshtest.authority import Authority
from meshtest.bookinfo.message import plain_error
from meshtest.bookinfo.server import ASKED_FOR, TLS_HANDSHAKE

_MOST = 1000  # contexts for names that are kept; whoever asks for ever new names must not fill the memory
_PATIENCE = 10.0  # seconds for a first byte and a handshake
_NO_DESCRIPTORS = 0.05  # seconds until the next try to accept a connection


class Certificates:
    """What instances prove themselves with. Keys pass through files in `folder`, since OpenSSL reads them from there, and do not stay.

    Clients may prove themselves by the same authority or by `trusted` (certificates as PEM).
    """

    def __init__(self, authority: Authority, folder: str, trusted: str = "") -> None:
        self._authority, self._folder, self._trusted = authority, folder, trusted
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._by_name: dict[tuple[str, ...], ssl.SSLContext] = {}

    def context(self, names: Sequence[str]) -> ssl.SSLContext:
        """A server's context: its certificate is for the name that a client asks for, and for these."""
        given = tuple(dict.fromkeys(names)) or ("localhost",)
        if given not in self._contexts:
            self._contexts[given] = self._new(given)
            self._contexts[given].sni_callback = partial(self._asked, given)
        return self._contexts[given]

    def _asked(self, given: tuple[str, ...], secured: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called by OpenSSL with the server name that a client asks for."""
        setattr(secured, ASKED_FOR, name)
        if name and name not in given:
            with contextlib.suppress(ValueError):  # no certificate can hold the name: the client sees that
                secured.context = self._for_name((name, *given))

    def _for_name(self, names: tuple[str, ...]) -> ssl.SSLContext:
        if names not in self._by_name:
            if len(self._by_name) >= _MOST:
                self._by_name.clear()
            self._by_name[names] = self._new(names)
        return self._by_name[names]

    def _new(self, names: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        # A client need not prove itself; one that offers to must be able to.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=self._authority.pem + self._trusted)
        chain, key = self._authority.certificate(*names)
        descriptor, path = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(chain + key)
            context.load_cert_chain(path)
        finally:
            os.unlink(path)
        return context


class TlsServer:
    """Takes connections at a socket: those that begin with TLS, and others if `clear` makes a protocol for them, else they get 400."""

    def __init__(
        self,
        bound: socket.socket,
        context: Callable[[], ssl.SSLContext | None],
        secured: Callable[[], asyncio.Protocol],
        clear: Callable[[], asyncio.Protocol] | None,
    ) -> None:
        self._bound, self._context, self._secured, self._clear = bound, context, secured, clear
        self._greeting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        bound.setblocking(False)
        self._loop.add_reader(bound, self._accept)

    def close(self) -> None:
        """Takes no more connections."""
        if self._bound.fileno() >= 0:
            self._loop.remove_reader(self._bound)
        self._bound.close()
        for each in self._greeting:
            each.cancel()

    def _accept(self) -> None:
        try:
            client, _ = self._bound.accept()
        except BlockingIOError:
            return
        except OSError:  # out of descriptors
            self._loop.remove_reader(self._bound)
            self._loop.call_later(_NO_DESCRIPTORS, self._resume)
            return
        task = self._loop.create_task(self._greet(client))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    def _resume(self) -> None:
        if self._bound.fileno() >= 0:
            self._loop.add_reader(self._bound, self._accept)

    async def _greet(self, client: socket.socket) -> None:
        """Looks at the first byte and hands the socket over to what speaks so."""
        make: Callable[[], asyncio.Protocol] | None = None
        context: ssl.SSLContext | None = None
        try:
            async with asyncio.timeout(_PATIENCE):
                first = await _first_byte(client)
                if first == TLS_HANDSHAKE:
                    context = self._context()  # None where there is nothing to prove anything with
                    make = self._secured if context else None
                elif first:
                    make = self._clear
                    if make is None:
                        await _refuse(client)
        except (OSError, TimeoutError):
            make = None
        finally:
            if make is None:
                client.close()
        if make is not None:
            limit = None if context is None else _PATIENCE
            with contextlib.suppress(OSError):  # a handshake that fails is one; the socket is closed then
                await self._loop.connect_accepted_socket(make, client, ssl=context, ssl_handshake_timeout=limit)


async def _first_byte(client: socket.socket) -> bytes:
    """The first byte, left where it is; empty at the end of the stream."""
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    readable = asyncio.Event()
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client)
    return client.recv(1, socket.MSG_PEEK)


async def _refuse(client: socket.socket) -> None:
    """400, as servers answer those who speak in the clear to a port of TLS; what they sent is read, so that the answer arrives."""
    loop = asyncio.get_running_loop()
    await loop.sock_recv(client, 64 * 1024)
    await loop.sock_sendall(client, plain_error(400).encode(head_only=False, close=True))
    client.close()
