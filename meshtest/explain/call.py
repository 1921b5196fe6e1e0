"""What is sent: a request or a connection, in curl's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from meshtest.explain.headers import Headers, request_headers
from meshtest.resources.name import address

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_PORTS = {"http": 80, "https": 443, "tcp": 0, "tls": 443}


@dataclass(frozen=True)
class Call:
    """A connection to `host` and `port`, encrypted or not, and the request that it carries (None for bytes of no protocol we know).

    `host` is empty, and `port` 0, where only a path is asked for: a gateway then chooses.
    """

    scheme: str
    host: str
    port: int
    request: Headers | None

    @property
    def encrypted(self) -> bool:
        """Whether the client speaks TLS."""
        return self.scheme in ("https", "tls")

    @property
    def server_name(self) -> str:
        """The name that a TLS client asks for (SNI); none for an IP address."""
        return "" if address(self.host) else self.host.lower()

    def at(self, host: str, port: int) -> Call:
        """The same for a host that was not given."""
        request = self.request and self.request.set(":authority", host)
        return replace(self, host=host, port=port, request=request)

    def __str__(self) -> str:
        request = self.request
        where = f"{self.scheme}://{_authority(self.scheme, self.host, self.port)}" if self.host else ""
        if request is None:
            return where
        authority = request.value(":authority")
        lines = [f"{name}: {value}" for name, value in request.lines if not name.startswith(":")]
        if where and authority != where.partition("://")[2]:
            lines.insert(0, f"host: {authority}")
        return f"{request.value(':method')} {where}{request.value(':path')}" + (
            f" ({', '.join(lines)})" if lines else ""
        )


def call(url: str, method: str = "GET", headers: Sequence[tuple[str, str]] = ()) -> Call:
    """A call from a URL (`http`, `https`, `tcp`, `tls`) or a path; ValueError says what is wrong with it.

    As curl does: a header `Host` replaces the URL's host in the request, not where it is sent; a fragment is not sent.
    """
    if url.startswith("/"):
        return Call("http", "", 0, request_headers(method, _host(headers) or "", url.partition("#")[0], headers))
    scheme, mark, _ = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in _PORTS:
        raise ValueError(
            f"{url!r} is no URL: give http://, https://, tcp:// or tls:// and a host, or a path such as /reviews/0"
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from None
    try:
        port = parts.port or _PORTS[scheme]
    except ValueError:
        raise ValueError(f"the port of {url!r} is no number from 1 to 65535") from None
    if not host:
        raise ValueError(f"{url!r} names no host")
    if not port:
        raise ValueError(f"{url!r} needs a port, such as {scheme}://{host}:9000")
    if scheme in ("tcp", "tls"):
        if parts.path not in ("", "/") or parts.query or headers:
            raise ValueError(
                f"{scheme}:// is a connection: there is no path and no header; give {scheme}://{parts.netloc}"
            )
        return Call(scheme, host, port, None)
    authority = _host(headers) or _authority(scheme, host, port)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Call(scheme, host, port, request_headers(method, authority, target, headers))


def header(text: str) -> tuple[str, str]:
    """A header from `name: value`, or `name;` for one without a value; ValueError if it is neither."""
    name, colon, value = text.partition(":")
    if not colon and text.endswith(";"):
        name, colon = text[:-1], ":"
    if not colon or not _TOKEN.fullmatch(name):
        raise ValueError(f"{text!r} is no header: write 'name: value', or 'name;' for one without a value")
    return name, value.strip(" \t")


def _host(headers: Sequence[tuple[str, str]]) -> str | None:
    return next((value for name, value in headers if name.lower() == "host"), None)


def _authority(scheme: str, host: str, port: int) -> str:
    """The host as a Host header has it: an IPv6 address in brackets, the port unless it goes without saying."""
    return (f"[{host}]" if ":" in host else host) + ("" if port == _PORTS[scheme] else f":{port}")
