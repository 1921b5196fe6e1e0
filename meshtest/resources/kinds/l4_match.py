"""What a connection must look like for a TCP or TLS rule to apply (`L4MatchAttributes`, `TLSMatchAttributes`)."""

from __future__ import annotations

from collections.abc import Mapping

from meshtest.resources import name
from meshtest.resources.kinds.gateway_names import GATEWAY_NAMES
from meshtest.resources.kinds.labels import LABELS
from meshtest.resources.schema import TEXT, ListOf, Message, Text, Type, Whole

# istiod checks neither namespace nor source subnet, and does nothing with the latter.
_FIELDS: Mapping[str, Type] = {
    "destinationSubnets": ListOf(Text(name.subnet)),
    "port": Whole(0, 65535),
    "sourceLabels": LABELS,
    "gateways": GATEWAY_NAMES,
    "sourceNamespace": TEXT,
}
L4_MATCH = Message({**_FIELDS, "sourceSubnet": TEXT}, form="{port: 9000}")
TLS_MATCH = Message(
    {**_FIELDS, "sniHosts": ListOf(TEXT, least=1)}, required=("sniHosts",), form="{sniHosts: [a.example.com]}"
)
