"""Loopback addresses of our own: one for each instance, so that source addresses differ; two runs never share one."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Iterator

from meshtest.errors import MeshError

_FIRST_PORT, _LAST_PORT = 20000, 32000  # below the range from which Linux picks the ports of outgoing connections


class Loopback:
    """Hands out addresses of 127/8 (Linux), or 127.0.0.1 with a free port each time (elsewhere).

    On Linux a block 127.x.y.0/24 is claimed by an abstract Unix socket, which the kernel frees with the last process that holds it.
    """

    def __init__(self) -> None:
        self.claims: list[socket.socket] = []
        self._addresses = self._generate()
        self._ports: dict[str, int] = {}

    def address(self) -> str:
        """An address for one instance."""
        return next(self._addresses)

    def port(self, address: str) -> int:
        """A port of `address` that nobody listens on."""
        if not self.claims:
            return _bound(address, 0)
        for port in range(self._ports.get(address, _FIRST_PORT), _LAST_PORT):
            self._ports[address] = port + 1
            try:
                return _bound(address, port)
            except OSError:
                continue  # a listener on 0.0.0.0 of somebody else's
        raise MeshError(f"no free port on {address}: each from {_FIRST_PORT} to {_LAST_PORT} is taken")

    def close(self) -> None:
        """Give the blocks back."""
        for claim in self.claims:
            claim.close()
        self.claims.clear()

    def _generate(self) -> Iterator[str]:
        try:
            _bound("127.0.0.1", 0)
        except OSError as error:
            raise MeshError(
                f"no loopback: binding to 127.0.0.1 failed ({error.strerror}); is the interface lo up? (ip link set lo up)"
            ) from None
        if sys.platform != "linux":
            while True:
                yield "127.0.0.1"
        while True:
            block = self._claim()
            yield from (f"{block}.{host}" for host in range(1, 255))

    def _claim(self) -> str:
        for _ in range(1000):
            block = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                claim.bind(f"\0meshtest-{block}")
            except OSError:
                claim.close()  # another run has it
                continue
            self.claims.append(claim)
            return block
        raise MeshError("no block of loopback addresses is free: are a thousand meshes running here?")


def _bound(address: str, port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        return int(probe.getsockname()[1])
