"""Ports that proxies listen on: their protocols (`pkg/config/protocol/instance.go`), in any case."""

from __future__ import annotations

from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import UINT32, Report, named, nearest

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-WEB")
TLS_PROTOCOLS = ("HTTPS", "TLS")
PROTOCOLS = (*HTTP_PROTOCOLS, *TLS_PROTOCOLS, "TCP", "MONGO", "MYSQL", "REDIS", "UDP")


class Protocol:
    """A protocol; comes back in capital letters.

    Where `empty`, none may be given: it is found out from the traffic then.
    """

    def __init__(self, *, empty: bool) -> None:
        self._empty = empty

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value` and give it in capital letters."""
        name = value.upper() if isinstance(value, str) else ""
        if name not in PROTOCOLS and not (self._empty and value == ""):
            report(path, f"must be one of {', '.join(PROTOCOLS)}; this is {named(value)}{nearest(name, PROTOCOLS)}")
        return name


class NoTarget:
    """A target port, which only Services have; 0 is none."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong goes to `report`."""
        out = UINT32.read(value, path, report)
        if isinstance(out, int) and out > 0:
            report(path, "has no meaning here: the port of the proxy follows from its Service; take it away")
        return out
