"""Answers that the proxy gives itself (`HTTPDirectResponse`)."""

from __future__ import annotations

import base64
import binascii

from meshtest.resources.schema import Message, Text, Whole


def _base64(text: str) -> str | None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "must be in base64; a plain text belongs under `string`"
    return None


_MOST_BODY = 1 << 20  # bytes; Istio's limit
_BODY = Text(lambda text: "is larger than 1 MiB" if len(text.encode(errors="replace")) > _MOST_BODY else None)
DIRECT_RESPONSE = Message(
    {
        "status": Whole(200, 599),
        "body": Message({"string": _BODY, "bytes": Text(_base64)}, one_of=(("string", "bytes"),)),
    },
    required=("status",),
    form="{status: 404}",
)
