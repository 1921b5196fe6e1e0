"""Requests and responses as the workloads see them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NamedTuple

JSON = "application/json"
HTML = "text/html; charset=utf-8"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Request:
    """A whole request: ``target`` as on the request line, header names in lower case, body without transfer coding.

    ``tls`` says what came with the connection: the server name asked for, and the names that the client has proved; None in the clear.
    """

    __slots__ = ("body", "headers", "method", "target", "tls")

    def __init__(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        tls: dict[str, object] | None = None,
    ) -> None:
        self.method, self.target, self.headers, self.body, self.tls = method, target, headers, body, tls

    @property
    def path(self) -> str:
        """The target without its query; of an absolute target the path alone."""
        path = self.target.partition("?")[0]
        if not path.startswith("/") and "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        return path

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first value of a header (name in lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Cut(NamedTuple):
    """Where the connection ends: ``before`` the response, behind its ``headers``, or amid its ``body``; by a reset or in an orderly way."""

    when: str
    reset: bool


class Response:
    """A whole response; ``headers`` are those besides ``content-type`` and the framing.

    ``close`` ends the connection after it; ``cut`` says that it is not sent as a whole.
    """

    __slots__ = ("body", "close", "content_type", "cut", "headers", "status")

    def __init__(
        self, status: int, body: bytes = b"", content_type: str = JSON, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.status, self.body, self.content_type, self.headers = status, body, content_type, headers
        self.close = False
        self.cut: Cut | None = None

    def ending(self, *, close: bool = False, cut: Cut | None = None) -> Response:
        """The same response, after or within which the connection ends."""
        out = Response(self.status, self.body, self.content_type, self.headers)
        out.close, out.cut = close, cut
        return out

    def begun(self) -> bytes:
        """What is sent of a response that is cut: all of the head, half of the body; without a body not the whole head either."""
        assert self.cut is not None
        if self.cut.when == "before":
            return b""
        head = self.encode(head_only=True, close=False)
        if not self.body:
            return head[:-2]
        return head + self.body[: len(self.body) // 2] if self.cut.when == "body" else head

    def encode(self, *, head_only: bool, close: bool) -> bytes:
        """The bytes to send: without the body for HEAD, with ``connection: close`` when no request may follow."""
        line = _STATUS_LINES.get(self.status) or f"HTTP/1.1 {self.status} \r\n"
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        if self.body:
            more += f"content-type: {self.content_type}\r\n"
        if close:
            more += "connection: close\r\n"
        if self.body or self.status not in (204, 304):  # RFC 9110 8.6
            more += f"content-length: {len(self.body)}\r\n"
        head = f"{line}{more}\r\n".encode("latin-1", "replace")
        return head if head_only else head + self.body


def json_response(value: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(status, json.dumps(value).encode())


def plain_error(status: int) -> Response:
    """An error without more to say than its status."""
    phrase = HTTPStatus(status).phrase
    return Response(status, f"<!doctype html>\n<title>{status} {phrase}</title>\n<h1>{phrase}</h1>\n".encode(), HTML)
