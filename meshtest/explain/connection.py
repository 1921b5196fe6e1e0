"""A connection as a listener sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshtest.explain.headers import Headers
from meshtest.topology.instance import Instance


@dataclass(frozen=True)
class Tls:
    """One layer of TLS: the name that is asked for, the protocols that are offered (ALPN), and the name that the client proves."""

    server_name: str
    protocols: Sequence[str] = ()
    identity: str = ""


@dataclass(frozen=True)
class Connection:
    """A connection to an address (empty where it is not known) and port, from a pod or (None) from outside.

    `tls` are its layers of encryption, the outermost first; `request` is what it carries, None for other bytes. `identity` is the name
    proved in a layer that has been taken off; `host` is the name that a workload has called; `failed` is the status that a proxy before
    answers if the connection fails (0 if none reads requests).
    """

    source: Instance | None
    address: str
    port: int
    tls: Sequence[Tls]
    request: Headers | None
    identity: str = ""
    decrypted: bool = False
    host: str = ""
    failed: int = 0

    def without_tls(self) -> Connection:
        """What is inside the outermost layer."""
        return replace(self, tls=self.tls[1:], identity=self.tls[0].identity, decrypted=True)
