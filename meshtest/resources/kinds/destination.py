"""Where traffic is sent (`Destination`)."""

from __future__ import annotations

from meshtest.resources import name
from meshtest.resources.schema import PORT, Message, Text

PORT_SELECTOR = Message({"number": PORT}, required=("number",), form="{number: 9080}")
DESTINATION = Message(
    {
        "host": Text(name.destination_host),
        "subset": Text(lambda text: name.label(text) if text else None),
        "port": PORT_SELECTOR,
    },
    required=("host",),
    form="{host: reviews, subset: v1}",
)
