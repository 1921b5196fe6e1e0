"""Headers that are set, added and removed (`Headers`)."""

from __future__ import annotations

from meshtest.resources import name
from meshtest.resources.header_value import header_value
from meshtest.resources.schema import ListOf, MapOf, Message, Text

_VALUE = Text(header_value)
_REMOVED = ListOf(Text(name.changed_header))
REQUEST_OPERATIONS = Message(
    {"set": MapOf(_VALUE, name.request_header), "add": MapOf(_VALUE, name.request_header), "remove": _REMOVED}
)
RESPONSE_OPERATIONS = Message(
    {"set": MapOf(_VALUE, name.changed_header), "add": MapOf(_VALUE, name.changed_header), "remove": _REMOVED}
)
HEADERS = Message({"request": REQUEST_OPERATIONS, "response": RESPONSE_OPERATIONS})
