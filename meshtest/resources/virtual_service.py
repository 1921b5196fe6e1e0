"""What a VirtualService may say, after Istio's CRD and its validation (`pkg/config/validation/virtualservice.go`)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.regular_expression import regular_expression
from meshtest.resources.schema import (
    COUNT,
    DURATION,
    FLAG,
    PORT,
    TEXT,
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

_KINDS_OF_MATCH = ("exact", "prefix", "regex")
REGEX = Text(regular_expression)
# A header's pattern of `*` is no regular expression, but stands for "any value" where its absence is asked for.
_REGEX_OR_STAR = Text(lambda text: None if text == "*" else regular_expression(text))
_PREFIX = Text(
    lambda text: None if text else "must not be empty: every value starts with it; write {} to ask for mere presence"
)

URI_MATCH = Message({"exact": TEXT, "prefix": TEXT, "regex": REGEX}, one_of=(_KINDS_OF_MATCH,), form="{exact: /login}")
STRING_MATCH = Message(
    {"exact": TEXT, "prefix": _PREFIX, "regex": REGEX}, one_of=(_KINDS_OF_MATCH,), form="{exact: jason}"
)
_ABSENT_MATCH = Message(
    {"exact": TEXT, "prefix": _PREFIX, "regex": _REGEX_OR_STAR}, one_of=(_KINDS_OF_MATCH,), form="{exact: jason}"
)


class _Headers:
    """Header matches by the header's name; claims of a token, which Istio writes as headers, are not implemented."""

    def __init__(self, match: Message) -> None:
        self._match = MapOf(match, name.header)

    def read(self, value: Any, path: Path, report: Report) -> Any:
        claims = (
            [key for key in value if str(key).lower().startswith("@request.auth.claims")]
            if isinstance(value, dict)
            else []
        )
        for key in claims:
            report(
                (*path, str(key)), "matching claims of a token is not implemented by the local mesh", unsupported=True
            )
        return self._match.read(
            {key: value[key] for key in value if key not in claims} if claims else value, path, report
        )


def _percent(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if 0 < spec.get("value", 0) < 0.0001:
        report((*path, "value"), f"must be 0 or from 0.0001 to 100; this is {spec['value']:g}")


SHARE = Message({"value": Number(0, 100)}, form="{value: 50}")
PERCENT = Message({"value": Number(0, 100)}, rules=(_percent,), form="{value: 50}")
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
_VALUE = Text(name.header_value)
_REMOVED = ListOf(Text(name.changed_header))
REQUEST_OPERATIONS = Message(
    {"set": MapOf(_VALUE, name.request_header), "add": MapOf(_VALUE, name.request_header), "remove": _REMOVED}
)
RESPONSE_OPERATIONS = Message(
    {"set": MapOf(_VALUE, name.changed_header), "add": MapOf(_VALUE, name.changed_header), "remove": _REMOVED}
)
HEADERS = Message({"request": REQUEST_OPERATIONS, "response": RESPONSE_OPERATIONS})
ROUTE_DESTINATION = Message(
    {"destination": DESTINATION, "weight": COUNT, "headers": HEADERS}, required=("destination",)
)

MATCH = Message(
    {
        "name": TEXT,
        "uri": URI_MATCH,
        "scheme": STRING_MATCH,
        "method": STRING_MATCH,
        "authority": STRING_MATCH,
        "headers": _Headers(STRING_MATCH),
        "withoutHeaders": _Headers(_ABSENT_MATCH),
        "queryParams": MapOf(STRING_MATCH),
        "ignoreUriCase": FLAG,
        "port": Whole(0, 65535),
        "sourceLabels": MapOf(Text(name.label_value), name.label_key),
        "sourceNamespace": Text(lambda text: name.label(text) if text else None),
        "gateways": ListOf(Text(name.gateway)),
        "statPrefix": TEXT,
    }
)


def _fault(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "abort" not in spec and "delay" not in spec:
        report(path, "must have an abort or a delay")


# In the order of their numbers: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
GRPC_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
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
            one_of=(("fixedDelay", "exponentialDelay"),),
        ),
        "abort": Message(
            {
                "httpStatus": Whole(200, 599),
                "grpcStatus": Enum(GRPC_STATUSES),
                "percentage": PERCENT,
                "http2Error": Unsupported("nor by Istio"),
            },
            one_of=(("httpStatus", "grpcStatus", "http2Error"),),
        ),
    },
    rules=(_fault,),
)


def _origin(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.values()):
        report(path, "must say which origin: exact, prefix or regex, not empty")


def _max_age(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "." in spec.get("maxAge", ""):
        report((*path, "maxAge"), f"counts in whole seconds; this is {spec['maxAge']}")


CORS = Message(
    {
        "allowOrigin": ListOf(TEXT),
        "allowOrigins": ListOf(
            Message(
                {"exact": TEXT, "prefix": TEXT, "regex": REGEX},
                one_of=(_KINDS_OF_MATCH,),
                rules=(_origin,),
                form="{exact: https://example.com}",
            )
        ),
        "allowMethods": ListOf(
            Enum(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"))
        ),
        "allowHeaders": ListOf(Text(name.header)),
        "exposeHeaders": ListOf(Text(name.header)),
        "maxAge": DURATION,
        "allowCredentials": FLAG,
        "unmatchedPreflights": Enum(("UNSPECIFIED", "FORWARD", "IGNORE")),
    },
    rules=(_max_age,),
    nullable=("allowCredentials",),
)

# https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
RETRY_ON = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream"),
    *("retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)
_STATUSES = {str(status.value) for status in HTTPStatus}


def _retry_on(text: str) -> str | None:
    unknown = [each for each in text.split(",") if each not in RETRY_ON and each not in _STATUSES] if text else []
    if not unknown:
        return None
    blank = " (without blanks)" if unknown[0].strip() in (*RETRY_ON, *_STATUSES, "") else ""
    return (
        f"{unknown[0]!r} is nothing to retry on; write HTTP status codes or {', '.join(RETRY_ON)}, with commas{blank}"
    )


def _disabled(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    more = [key for key in ("perTryTimeout", "retryOn", "retryRemoteLocalities") if spec.get(key) not in (None, "")]
    if not spec.get("attempts") and more:
        report(path, f"without attempts nothing is retried, so {more[0]} has no effect: say how many attempts")


RETRIES = Message(
    {
        "attempts": COUNT,
        "perTryTimeout": DURATION,
        "retryOn": Text(_retry_on),
        "retryRemoteLocalities": FLAG,
        "retryIgnorePreviousHosts": FLAG,
        "backoff": DURATION,
    },
    rules=(_disabled,),
    nullable=("retryRemoteLocalities", "retryIgnorePreviousHosts"),
)

REDIRECT_CODES = (301, 302, 303, 307, 308)


class _RedirectCode:
    """Istio takes each 3xx, but makes a route without an action for those that Envoy cannot send."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        code = Whole(0, 399).read(value, path, report)
        if code in range(1, 300):
            report(path, f"must be from 300 to 399; this is {code}")
        elif code in range(300, 400) and code not in REDIRECT_CODES:
            known = ", ".join(map(str, REDIRECT_CODES))
            report(
                path,
                f"Envoy cannot redirect with {code}: Istio's route has no action then; use {known}",
                unsupported=True,
            )
        return code


def _somewhere(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.get(key) for key in ("uri", "prefixRewrite", "authority", "scheme")) and not spec.keys() & {
        "port",
        "derivePort",
    }:
        report(path, "must say where to: uri, authority, scheme or port")


REDIRECT = Message(
    {
        "uri": TEXT,
        "prefixRewrite": TEXT,
        "authority": TEXT,
        "port": Whole(0, 65535),
        "derivePort": Enum(("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")),
        "scheme": Enum(("http", "https", "")),
        "redirectCode": _RedirectCode(),
    },
    one_of=(("port", "derivePort"), ("uri", "prefixRewrite")),
    rules=(_somewhere,),
    form="{uri: /new}",
)


def _rewritten(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.values()):
        report(path, "must say what to rewrite: uri, uriRegexRewrite or authority")
    if "uriRegexRewrite" in spec and not spec["uriRegexRewrite"].get("rewrite"):
        report((*path, "uriRegexRewrite"), "must have both a match and a rewrite")


REWRITE = Message(
    {
        "uri": TEXT,
        "authority": TEXT,
        "uriRegexRewrite": Message({"match": REGEX, "rewrite": TEXT}, required=("match",)),
    },
    one_of=(("uri", "uriRegexRewrite"),),
    rules=(_rewritten,),
    form="{uri: /new}",
)


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


def _one_action(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    actions = [key for key in ("redirect", "directResponse", "delegate") if key in spec]
    actions += ["route"] if spec.get("route") else []
    if not actions:
        report(path, "a rule needs a route, a redirect or a directResponse")
    if len(actions) > 1:
        report((*path, actions[0]), f"a rule cannot have both {actions[0]} and {actions[1]}: keep one")
    for action in ("redirect", "directResponse"):
        for other in ("fault", "rewrite"):
            if action in spec and other in spec:
                report((*path, other), f"a rule with a {action} cannot have a {other}: no request is forwarded")


def _weights(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    weights = [route.get("weight", 0) for route in spec.get("route", [])]
    if len(weights) > 1 and not sum(weights):
        report(
            (*path, "route"),
            f"the weights of the {len(weights)} destinations add up to 0, so that none would get a request",
        )
    if sum(weights) >= 2**32:
        report((*path, "route"), "the weights add up to 2^32 or more, which Envoy does not take")


def _authority_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    given = spec.get("headers", {}).get("request", {})
    set_by = ["rewrite.authority"] if spec.get("rewrite", {}).get("authority") else []
    for how in ("set", "add"):
        set_by += [
            f"headers.request.{how}.{key}" for key in given.get(how, {}) if key.lower() in ("host", ":authority")
        ]
    if len(set_by) > 1:
        report((*path, *set_by[1].split(".")), f"the host is set twice, by {' and '.join(set_by)}: keep one")


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
        "mirrors": ListOf(Message({"destination": DESTINATION, "percentage": SHARE}, required=("destination",))),
        "mirrorPercent": Whole(0, 100),
        "mirror_percent": Whole(0, 100),
        "mirrorPercentage": SHARE,
        "corsPolicy": CORS,
        "headers": HEADERS,
    },
    one_of=(("mirror", "mirrors"),),
    rules=(_one_action, _weights, _authority_once),
    nullable=("mirrorPercent", "mirror_percent"),
)


def _hosts_apart(hosts: list[str], path: Path, report: Report) -> None:
    """No host stands twice, or is covered by a wildcard beside it."""
    wildcards = {host for host in hosts if host.startswith("*")}
    seen: set[str] = set()
    for index, host in enumerate(hosts):
        rest = host.removeprefix("*")
        wider = ("*" + rest[begin:] for begin in range(len(rest) + 1))
        cover = host if host in seen else next((each for each in wider if each in wildcards and each != host), None)
        if cover:
            report((*path, index), f"{host!r} is covered by {cover!r} beside it: keep one of the two")
        seen.add(host)


def _hosts(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    hosts, gateways = spec.get("hosts", []), spec.get("gateways") or ["mesh"]
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
    _hosts_apart(hosts, (*path, "hosts"), report)
    if not any(spec.get(key) for key in ("http", "tcp", "tls")):
        report(path, "says nothing: give it `http` rules")


def exported_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """`exportTo` names each namespace once, and none beside `*`."""
    names = spec.get("exportTo", [])
    seen: set[str] = set()
    for index, each in enumerate(names):
        if each in seen or (each == "*" and len(names) > 1):
            report((*path, "exportTo", index), f"{each!r} stands beside what says the same already: keep one")
        seen.add(each)


EXPORT_TO = ListOf(Text(name.namespace))

VIRTUAL_SERVICE: Type = Message(
    {
        "hosts": ListOf(Text(name.host_or_address)),
        "gateways": ListOf(Text(name.gateway)),
        "http": ListOf(HTTP_ROUTE),
        "tls": Unsupported(),
        "tcp": Unsupported(),
        "exportTo": EXPORT_TO,
    },
    rules=(_hosts, exported_once),
)
