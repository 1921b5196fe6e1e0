"""What a VirtualService may say, after Istio's CRD and its validation (`pkg/config/validation/virtualservice.go`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import (
    COUNT,
    DURATION,
    FLAG,
    INT32,
    PORT,
    TEXT,
    UINT32,
    Enum,
    ListOf,
    MapOf,
    Message,
    Number,
    Report,
    Text,
    Type,
    Unsupported,
    Whole,
)

_NOT_RE2 = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]|\(\?P?[>=]")


def regular_expression(text: str) -> str | None:
    """What keeps `text` from being a regular expression of RE2, as Envoy reads it; None if nothing is seen."""
    if _NOT_RE2.search(text):
        return f"{text!r} uses look-around or a back-reference, which RE2 (Envoy's regular expressions) has not"
    return None


REGEX = Text(regular_expression)

STRING_MATCH = Message({"exact": TEXT, "prefix": TEXT, "regex": REGEX}, one_of=(("exact", "prefix", "regex"),))
MATCHES = MapOf(STRING_MATCH, null={})


def _percent(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    value = spec.get("value", 0)
    if isinstance(value, int | float) and 0 < value < 0.0001:
        report((*path, "value"), f"must be 0 or from 0.0001 to 100; this is {value:g}")


PERCENT = Message({"value": Number(0, 100)}, rules=(_percent,))
DESTINATION = Message({"host": TEXT, "subset": TEXT, "port": Message({"number": PORT})}, required=("host",))
HEADER_OPERATIONS = Message({"set": MapOf(TEXT), "add": MapOf(TEXT), "remove": ListOf(TEXT)})
HEADERS = Message({"request": HEADER_OPERATIONS, "response": HEADER_OPERATIONS})
ROUTE_DESTINATION = Message(
    {"destination": DESTINATION, "weight": COUNT, "headers": HEADERS}, required=("destination",)
)

MATCH = Message(
    {
        "name": TEXT,
        "uri": STRING_MATCH,
        "scheme": STRING_MATCH,
        "method": STRING_MATCH,
        "authority": STRING_MATCH,
        "headers": MATCHES,
        "withoutHeaders": MATCHES,
        "queryParams": MATCHES,
        "ignoreUriCase": FLAG,
        "port": UINT32,
        "sourceLabels": MapOf(TEXT),
        "sourceNamespace": TEXT,
        "gateways": ListOf(TEXT),
        "statPrefix": TEXT,
    }
)


def _fault(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.get("abort") and not spec.get("delay"):
        report(path, "must have an abort or a delay")


GRPC_STATUSES = (
    *(
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
    ),
    *(
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
    ),
    *("DATA_LOSS", "UNAUTHENTICATED"),
)

FAULT = Message(
    {
        "delay": Message(
            {
                "fixedDelay": DURATION,
                "percentage": PERCENT,
                "percent": Whole(0, 100),
                "exponentialDelay": Unsupported("nor by Istio"),
            },
            required=("fixedDelay",),
        ),
        "abort": Message(
            {
                "httpStatus": Whole(200, 599),
                "grpcStatus": Enum(GRPC_STATUSES),
                "percentage": PERCENT,
                "http2Error": Unsupported("nor by Istio"),
            },
            one_of=(("httpStatus", "grpcStatus"),),
        ),
    },
    rules=(_fault,),
)

CORS = Message(
    {
        "allowOrigin": ListOf(TEXT),
        "allowOrigins": ListOf(STRING_MATCH),
        "allowMethods": ListOf(
            Enum(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"))
        ),
        "allowHeaders": ListOf(TEXT),
        "exposeHeaders": ListOf(TEXT),
        "maxAge": DURATION,
        "allowCredentials": FLAG,
        "unmatchedPreflights": Enum(("UNSPECIFIED", "FORWARD", "IGNORE")),
    }
)

RETRIES = Message(
    {
        "attempts": INT32,
        "perTryTimeout": DURATION,
        "retryOn": TEXT,
        "retryRemoteLocalities": FLAG,
        "retryIgnorePreviousHosts": FLAG,
        "backoff": DURATION,
    }
)

REDIRECT = Message(
    {
        "uri": TEXT,
        "prefixRewrite": TEXT,
        "authority": TEXT,
        "port": UINT32,
        "derivePort": Enum(("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")),
        "scheme": TEXT,
        "redirectCode": Whole(300, 399),
    },
    one_of=(("port", "derivePort"), ("uri", "prefixRewrite")),
)

REWRITE = Message(
    {"uri": TEXT, "authority": TEXT, "uriRegexRewrite": Message({"match": REGEX, "rewrite": TEXT})},
    one_of=(("uri", "uriRegexRewrite"),),
)

DIRECT_RESPONSE = Message(
    {"status": Whole(200, 599), "body": Message({"string": TEXT, "bytes": TEXT}, one_of=(("string", "bytes"),))},
    required=("status",),
)


def _one_action(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    actions = [key for key in ("route", "redirect", "directResponse", "delegate") if spec.get(key)]
    if not actions:
        report(path, "a rule needs a route, a redirect or a directResponse")
    if len(actions) > 1:
        report((*path, actions[1]), f"a rule cannot have both {actions[0]} and {actions[1]}: keep one")
    for action in ("redirect", "directResponse"):
        for other in ("fault", "rewrite"):
            if spec.get(action) and spec.get(other):
                report((*path, other), f"a rule with a {action} cannot have a {other}: no request is forwarded")


def _weights(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    routes = spec.get("route", [])
    if len(routes) > 1 and not sum(route.get("weight", 0) for route in routes):
        report(
            (*path, "route"),
            f"the weights of the {len(routes)} destinations add up to 0, so that none would get a request",
        )


def _authority_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    given = spec.get("headers", {}).get("request", {})
    set_in = [
        f"{how}.{key}" for how in ("set", "add") for key in given.get(how, {}) if key.lower() in ("host", ":authority")
    ]
    if len(set_in) > 1:
        report((*path, "headers", "request"), f"the host is set twice, by {' and '.join(set_in)}: keep one")


HTTP_ROUTE = Message(
    {
        "name": TEXT,
        "match": ListOf(MATCH),
        "route": ListOf(ROUTE_DESTINATION),
        "redirect": REDIRECT,
        "directResponse": DIRECT_RESPONSE,
        "delegate": Unsupported(),
        "rewrite": REWRITE,
        "timeout": DURATION,
        "retries": RETRIES,
        "fault": FAULT,
        "mirror": DESTINATION,
        "mirrors": ListOf(Message({"destination": DESTINATION, "percentage": PERCENT}, required=("destination",))),
        "mirrorPercent": Whole(0, 100),
        "mirror_percent": Whole(0, 100),
        "mirrorPercentage": PERCENT,
        "corsPolicy": CORS,
        "headers": HEADERS,
    },
    one_of=(("mirror", "mirrors"),),
    rules=(_one_action, _weights, _authority_once),
)


def _hosts(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    hosts, gateways = spec.get("hosts", []), spec.get("gateways", ["mesh"])
    if not hosts and spec.get("gateways"):
        report(
            path,
            "a VirtualService without hosts is a delegate, which must have no gateways: name the hosts, or take the gateways away",
        )
    if "*" in hosts and "mesh" in gateways:
        report(
            (*path, "hosts", hosts.index("*")),
            "the host * is not allowed on the mesh: bind it to gateways only, or name the hosts",
        )


VIRTUAL_SERVICE: Type = Message(
    {
        "hosts": ListOf(TEXT),
        "gateways": ListOf(TEXT),
        "http": ListOf(HTTP_ROUTE),
        "tls": Unsupported(),
        "tcp": Unsupported(),
        "exportTo": ListOf(TEXT),
    },
    rules=(_hosts,),
)
