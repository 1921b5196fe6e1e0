"""What a GRPCRoute may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.filters import GRPC_FILTERS
from meshtest.resources.kinds.gateway_api.http_route import HEADER_MATCHES, few_matches
from meshtest.resources.kinds.gateway_api.names import HOSTNAME, SECTION
from meshtest.resources.kinds.gateway_api.reference import PARENT_REFS, PARENT_RULE, WEIGHTED_FIELDS, with_port
from meshtest.resources.schema import Enum, ListOf, Message, Report, Text, Type

_SERVICE = re.compile(r"\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*", re.IGNORECASE | re.ASCII)
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def _method(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.keys() & {"service", "method"}:
        report(path, "must name a service, a method, or both")
    if spec.get("type", "Exact") == "Exact":
        for key, pattern in (("service", _SERVICE), ("method", _METHOD)):
            if key in spec and not pattern.fullmatch(spec[key]):
                report((*path, key), f"is no name of a {key} of gRPC: {spec[key]!r}")


RULE = Message(
    {
        "name": SECTION,
        "matches": ListOf(
            Message(
                {
                    "method": Message(
                        {
                            "type": Enum(("Exact", "RegularExpression")),
                            "service": Text(most=1024),
                            "method": Text(most=1024),
                        },
                        nullable=("type",),
                        rules=(_method,),
                        form="{service: a.B, method: C}",
                    ),
                    "headers": HEADER_MATCHES,
                }
            ),
            most=64,
        ),
        "filters": GRPC_FILTERS,
        "backendRefs": ListOf(
            Message(
                {**WEIGHTED_FIELDS, "filters": GRPC_FILTERS},
                required=("name",),
                nullable=("group", "kind", "weight"),
                rules=(with_port,),
                form="{name: reviews, port: 9080}",
            ),
            most=16,
        ),
    }
)

GRPC_ROUTE: Type = Message(
    {"parentRefs": PARENT_REFS, "hostnames": ListOf(HOSTNAME, most=16), "rules": ListOf(RULE, most=16)},
    rules=(PARENT_RULE, few_matches),
)
