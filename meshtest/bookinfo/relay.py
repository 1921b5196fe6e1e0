"""The relay of a pod: connections that leave it as the workload's own, for somebody who is not in the pod.

It is asked by CONNECT (`meshtest.bookinfo.tunnel`) on the pod's loopback address. The answer is 200 with the address that the connection
comes from (``source``), or 502 with the name of the error (``error``: ECONNREFUSED, EAI_NONAME, ...).
"""

from __future__ import annotations

import asyncio
import errno
import socket

from meshtest.bookinfo.tunnel import Carrier, Tunnel

PATIENCE = 10.0  # seconds to connect
_EAI = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}


class Relay:
    """Serves who asks."""

    def __init__(self) -> None:
        self._connecting: set[asyncio.Task[None]] = set()
        self._carriers: set[Carrier] = set()

    async def open(self, port: int) -> asyncio.Server:
        """Listens on the loopback address."""
        return await asyncio.get_running_loop().create_server(self._carrier, "127.0.0.1", port)

    def close(self) -> None:
        """Ends all connections."""
        for each in [*self._carriers]:
            each.close()

    def _carrier(self) -> Carrier:
        carrier = Carrier(self._requested, lambda: self._carriers.discard(carrier))
        self._carriers.add(carrier)
        return carrier

    def _requested(self, carrier: Carrier, stream: int, headers: dict[bytes, bytes]) -> None:
        authority = headers.get(b":authority", b"").decode("latin-1")
        task = asyncio.get_running_loop().create_task(self._connect(carrier, stream, authority))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, carrier: Carrier, stream: int, authority: str) -> None:
        host, _, port = authority.rpartition(":")
        tunnel = Tunnel(carrier, stream)
        try:
            async with asyncio.timeout(PATIENCE):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: tunnel, host.strip("[]"), int(port)
                )
        except (OSError, ValueError) as error:
            carrier.answer(stream, [(b":status", b"502"), (b"error", _name(error).encode())], end=True)
            return
        address, number = transport.get_extra_info("sockname")[:2]
        if carrier.answer(stream, [(b":status", b"200"), (b"source", f"{address}:{number}".encode())]):
            carrier.carry(tunnel)
            tunnel.begin()
        else:
            transport.abort()


def _name(error: OSError | ValueError) -> str:
    """The system's name for an error."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "ETIMEDOUT"
    if isinstance(error, socket.gaierror):
        return _EAI.get(error.errno, "EAI_FAIL")
    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, "EINVAL") if number else "EINVAL"
