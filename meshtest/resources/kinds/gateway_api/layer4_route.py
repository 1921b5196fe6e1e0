"""What a TCPRoute, a UDPRoute and a TLSRoute may say."""

from __future__ import annotations

from collections.abc import Mapping

from meshtest.resources.kinds.gateway_api.names import HOSTNAME, SECTION
from meshtest.resources.kinds.gateway_api.reference import PARENT_REFS, PARENT_RULE, WEIGHTED_BACKEND
from meshtest.resources.name import address
from meshtest.resources.schema import ListOf, Message, Report, Type

_RULE = Message(
    {"name": SECTION, "backendRefs": ListOf(WEIGHTED_BACKEND, least=1, most=16)},
    required=("backendRefs",),
    form="{backendRefs: [{name: tcp-echo, port: 9000}]}",
)
_FIELDS: Mapping[str, Type] = {"parentRefs": PARENT_REFS, "rules": ListOf(_RULE, least=1, most=1)}


class _Hostname:
    """A host name that is no address."""

    def read(self, value: object, path: tuple[str | int, ...], report: Report) -> object:
        if isinstance(value, str) and address(value):
            report(path, f"must be a host name; this is the address {value!r}")
            return value
        return HOSTNAME.read(value, path, report)


TCP_ROUTE: Type = Message(_FIELDS, required=("rules",), rules=(PARENT_RULE,))
UDP_ROUTE: Type = TCP_ROUTE
TLS_ROUTE: Type = Message(
    {**_FIELDS, "hostnames": ListOf(_Hostname(), least=1, most=1024)},
    required=("hostnames", "rules"),
    rules=(PARENT_RULE,),
)
