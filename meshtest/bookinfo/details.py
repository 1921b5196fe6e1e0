"""Bookinfo's details, after details.rb."""

from __future__ import annotations

import re
from collections.abc import Awaitable

from meshtest.bookinfo.message import Request, Response, json_response, plain_error

_BOOK = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}
_INTEGER = re.compile(r"[+-]?\d+(_\d+)*")


class Details:
    """The application of a details pod."""

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """``/health`` and ``/details/<id>``, whatever the method (WEBrick mounts paths with all below)."""
        path = request.path
        if path == "/health" or path.startswith("/health/"):
            return json_response({"status": "Details is healthy"})
        if path != "/details" and not path.startswith("/details/"):
            return plain_error(404)
        last = path.rstrip("/").rpartition("/")[2]
        if not _INTEGER.fullmatch(last):
            return json_response({"error": "please provide numeric product id"}, 400)
        return json_response({"id": int(last), **_BOOK})
