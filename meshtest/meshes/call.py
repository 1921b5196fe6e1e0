"""What a client asks a mesh for: a request, or a connection by a URL such as `tcp://tcp-echo:9000`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from meshtest.resources.name import address
from meshtest.traffic.request import Request
from meshtest.traffic.tcp import TCP

_PORTS = {"http": 80, "https": 443, "tls": 443}
SCHEMES = (*_PORTS, "tcp")


@dataclass(frozen=True)
class Call:
    """`scheme` is http, https, tcp or tls; `authority` is `host[:port]` as it was written, None for a request without one."""

    scheme: str
    authority: str | None

    @property
    def host(self) -> str:
        """The host in small letters, without a dot at its end; empty if there is none."""
        return (urlsplit(f"//{self.authority or ''}").hostname or "").removesuffix(".")

    @property
    def port(self) -> int:
        """The port that was written, else the scheme's own; 0 if there is neither."""
        return urlsplit(f"//{self.authority or ''}").port or _PORTS.get(self.scheme, 0)

    @property
    def encrypted(self) -> bool:
        """Whether it begins with TLS."""
        return self.scheme in ("https", "tls")

    @property
    def server_name(self) -> str:
        """The name to ask for in TLS (SNI); empty for an address, which is not asked for."""
        return "" if address(self.host) else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}" if self.authority else "a request without a host"


def call_of(what: Request | TCP | str) -> Call:
    """The call that a request makes, or a URL stands for. Raises ValueError for a URL that is none of these."""
    if isinstance(what, Request):
        return Call(what.scheme, what.authority)
    if isinstance(what, TCP):
        what = what.target
    parts = urlsplit(what)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(
            f"{what!r} is no URL of a host: write tcp://host:port, tls://host:port, http://... or https://..."
        )
    try:
        call = Call(parts.scheme, parts.netloc)
        port = call.port
    except ValueError:
        raise ValueError(f"the port of {what!r} is not a number from 0 to 65535") from None
    if not port:
        raise ValueError(f"{what!r} needs a port: tcp://{parts.netloc}:9000")
    return call
