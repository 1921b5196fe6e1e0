"""Answers that the proxy gives itself (`HTTPDirectResponse`)."""

from __future__ import annotations

import base64
import binascii

from meshtest.resources.kinds.status import STATUS
from meshtest.resources.schema import Message, Text


def _base64(text: str) -> str | None:
    if not text:
        return "must not be empty; for an answer without a body, take the body away"
    try:
        return _too_large(len(base64.b64decode(text, validate=True)))
    except (binascii.Error, ValueError):
        return "must be in base64; a plain text belongs under `string`"


def _too_large(size: int) -> str | None:
    return "is larger than 1 MiB" if size > _MOST_BODY else None


_MOST_BODY = 1 << 20  # bytes; Istio's limit
_BODY = Text(lambda text: _too_large(len(text.encode(errors="replace"))))
DIRECT_RESPONSE = Message(
    {
        "status": STATUS,
        "body": Message({"string": _BODY, "bytes": Text(_base64)}, one_of=(("string", "bytes"),)),
    },
    required=("status",),
    form="{status: 404}",
)
