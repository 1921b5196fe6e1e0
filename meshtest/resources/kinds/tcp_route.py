"""One rule for TCP traffic (`TCPRoute`), or for TLS traffic that is not terminated (`TLSRoute`)."""

from __future__ import annotations

from meshtest.resources.kinds.destination import DESTINATION
from meshtest.resources.kinds.l4_match import L4_MATCH, TLS_MATCH
from meshtest.resources.kinds.weights import weighed
from meshtest.resources.schema import COUNT, ListOf, Message

_ROUTE = ListOf(Message({"destination": DESTINATION, "weight": COUNT}, required=("destination",)), least=1)

TCP_ROUTE = Message(
    {"match": ListOf(L4_MATCH), "route": _ROUTE},
    required=("route",),
    rules=(weighed,),
    form="{route: [{destination: {host: tcp-echo}}]}",
)
TLS_ROUTE = Message(
    {"match": ListOf(TLS_MATCH, least=1), "route": _ROUTE},
    required=("match", "route"),
    rules=(weighed,),
    form="{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: a}}]}",
)
