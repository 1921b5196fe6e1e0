"""One HTTP request as a value: what is asked, not how it is carried."""

from __future__ import annotations

import json as _json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from meshtest.redaction import HIDDEN, redacted, sensitive

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

# RFC 9110 5.6.2 (token) and 5.5 (field values: visible characters, space, tab, obs-text).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FORBIDDEN_IN_TARGET = re.compile(r"[^\x21-\x7e]|#")
# The driver frames the body itself; a second opinion in the same request is how requests are smuggled (RFC 9112 11.2).
_FRAMING = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: ``target`` is a path (``/reviews/0?x=1``) or an absolute URL (``http://reviews:9080/reviews/0``, or https).

    Raises ``ValueError`` for a method, target or header that HTTP/1.1 cannot carry.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __post_init__(self) -> None:
        _check_method(self.method)
        _check_target(self.target)
        for name, value in self.headers:
            check_header(name, value)

    @property
    def path(self) -> str:
        """The origin form that goes on the request line: path and query, never empty."""
        if self.target.startswith("/"):
            return self.target
        parts = urlsplit(self.target)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def scheme(self) -> str:
        """``http`` or ``https``; a path is ``http``."""
        return "https" if self.target.startswith("https://") else "http"

    @property
    def authority(self) -> str | None:
        """``host[:port]`` of an absolute target; None when the target is a path."""
        return None if self.target.startswith("/") else urlsplit(self.target).netloc

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def __str__(self) -> str:
        """For people, and so without secrets."""
        notes = [f"{name}: {HIDDEN if sensitive(name) else redacted(value)}" for name, value in self.headers]
        if self.body:
            notes.append(f"{len(self.body)} bytes")
        return f"{self.method} {redacted(self.target)}" + (f" ({', '.join(notes)})" if notes else "")


def request(
    method: str,
    target: str,
    *,
    headers: Headers | None = None,
    body: bytes | str | None = None,
    json: object = None,
    form: Mapping[str, str] | None = None,
) -> Request:
    """A request with any method; at most one of ``body``, ``json`` and ``form``; the latter set ``content-type``."""
    if sum(given is not None for given in (body, json, form)) > 1:
        raise ValueError("a request has one body: give body, json or form, not several of them")
    pairs = _pairs(headers)
    content_type, content = _content(body, json, form)
    if content_type and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs += (("content-type", content_type),)
    return Request(method, target, pairs, content)


def GET(target: str, *, headers: Headers | None = None) -> Request:
    """A GET request; see `request`."""
    return request("GET", target, headers=headers)


def HEAD(target: str, *, headers: Headers | None = None) -> Request:
    """A HEAD request; see `request`."""
    return request("HEAD", target, headers=headers)


def DELETE(target: str, *, headers: Headers | None = None) -> Request:
    """A DELETE request; see `request`."""
    return request("DELETE", target, headers=headers)


def POST(
    target: str,
    *,
    headers: Headers | None = None,
    body: bytes | str | None = None,
    json: object = None,
    form: Mapping[str, str] | None = None,
) -> Request:
    """A POST request; see `request`."""
    return request("POST", target, headers=headers, body=body, json=json, form=form)


def PUT(
    target: str,
    *,
    headers: Headers | None = None,
    body: bytes | str | None = None,
    json: object = None,
    form: Mapping[str, str] | None = None,
) -> Request:
    """A PUT request; see `request`."""
    return request("PUT", target, headers=headers, body=body, json=json, form=form)


def _pairs(headers: Headers | None) -> tuple[tuple[str, str], ...]:
    if headers is None:
        return ()
    pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"headers is a mapping or pairs of strings, not {headers!r}")
    return tuple((name, value) for name, value in pairs)


def _content(body: bytes | str | None, json: object, form: Mapping[str, str] | None) -> tuple[str | None, bytes]:
    if json is not None:
        return "application/json", _json.dumps(json).encode()
    if form is not None:
        return "application/x-www-form-urlencoded", urlencode(form).encode()
    return None, body.encode() if isinstance(body, str) else bytes(body or b"")


def _check_method(method: str) -> None:
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"not an HTTP method: {method!r}; give one word such as GET")
    if method == "CONNECT":
        raise ValueError("CONNECT opens a tunnel and has no answer to measure; ask the destination itself")


def _check_target(target: str) -> None:
    if not target.startswith(("/", "http://", "https://")):
        raise ValueError(
            f"a target is a path (/reviews/0) or an http URL (http://reviews:9080/reviews/0), not {target!r}"
        )
    if found := _FORBIDDEN_IN_TARGET.search(target):
        raise ValueError(f"a target holds no {found.group()!r}: percent-encode it in {target!r}")
    if not target.startswith("/"):
        _check_authority(target)


def _check_authority(target: str) -> None:
    parts = urlsplit(target)
    if not parts.hostname:
        raise ValueError(f"an absolute target names a host: {target!r}")
    if "@" in parts.netloc:
        raise ValueError(f"a target holds no user or password: {target!r}; send an authorization header")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"the port of {target!r} is not a number from 0 to 65535") from error


def check_header(name: str, value: str) -> None:
    """Raises ``ValueError`` for a header that HTTP/1.1 cannot carry, or that would frame the body a second time."""
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    if name.lower() in _FRAMING:
        raise ValueError(f"{name} follows from the body and is set by the driver; leave it out")
    if not isinstance(value, str):
        raise ValueError(f"the value of header {name} is a string, not {value!r}")
    if found := _FORBIDDEN_IN_VALUE.search(value):
        raise ValueError(f"a header value holds no {found.group()!r}: {name}: {value!r}")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"a header value is Latin-1 text (RFC 9110 5.5): {name}: {value!r}") from error
