"""What routes do to requests and answers on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.names import HEADER_NAME, PORT_NUMBER, PRECISE_HOSTNAME, filled, matching
from meshtest.resources.kinds.gateway_api.reference import BACKEND, LOCAL
from meshtest.resources.kinds.gateway_api.unique import Unique, by, itself
from meshtest.resources.schema import FLAG, TEXT, Enum, ListOf, Message, Report, Text, Type, Whole

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_POSITIVE = Whole(1)
_HEADERS = Unique(
    Message({"name": HEADER_NAME, "value": filled(4096)}, required=("name", "value"), form="{name: a, value: b}"),
    by("name"),
    "name",
    most=16,
)
HEADER_MODIFIER = Message({"set": _HEADERS, "add": _HEADERS, "remove": Unique(TEXT, itself, most=16)})


def _fraction(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec["numerator"] > spec.get("denominator", 100):
        report((*path, "numerator"), "must not be larger than the denominator")


MIRROR = Message(
    {
        "backendRef": BACKEND,
        "percent": Whole(0, 100),
        "fraction": Message(
            {"numerator": Whole(0), "denominator": _POSITIVE},
            required=("numerator",),
            nullable=("denominator",),
            rules=(_fraction,),
        ),
    },
    required=("backendRef",),
    one_of=(("percent", "fraction"),),
)

_PATHS = {"ReplaceFullPath": "replaceFullPath", "ReplacePrefixMatch": "replacePrefixMatch"}


def _by_type(fields: Mapping[str, str], spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """Each `type` has a field of its own, which stands there if and only if it is of that type."""
    for type_, field in fields.items():
        if spec["type"] == type_ and field not in spec:
            report(path, f"the field {field!r} is missing, which the type {type_} needs")
        if spec["type"] != type_ and field in spec:
            report((*path, field), f"belongs to the type {type_}; this one's is {spec['type']}")


def _path_type(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    _by_type(_PATHS, spec, path, report)


_NEW_PATH = Message(
    {"type": Enum(tuple(_PATHS)), "replaceFullPath": Text(most=1024), "replacePrefixMatch": Text(most=1024)},
    required=("type",),
    rules=(_path_type,),
    form="{type: ReplacePrefixMatch, replacePrefixMatch: /new}",
)
REDIRECT = Message(
    {
        "scheme": Enum(("http", "https")),
        "hostname": PRECISE_HOSTNAME,
        "path": _NEW_PATH,
        "port": PORT_NUMBER,
        "statusCode": Enum((301, 302, 303, 307, 308)),
    },
    nullable=("statusCode",),
)
URL_REWRITE = Message({"hostname": PRECISE_HOSTNAME, "path": _NEW_PATH})


def _star_alone(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for field in ("allowOrigins", "allowMethods", "allowHeaders"):
        if "*" in spec.get(field, []) and len(spec[field]) > 1:
            report((*path, field), "`*` stands for all: take the others away")


_ORIGIN = matching(
    r"\*|https?://(?:(?:\*\.)?(?:[a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(?::[0-9]{1,5})?",
    "an origin such as https://example.com, or *",
    most=253,
)
CORS = Message(
    {
        "allowOrigins": Unique(_ORIGIN, itself, most=64),
        "allowCredentials": FLAG,
        "allowMethods": Unique(Enum((*METHODS, "*")), itself, most=9),
        "allowHeaders": Unique(HEADER_NAME, itself, most=64),
        "exposeHeaders": Unique(HEADER_NAME, itself, most=64),
        "maxAge": _POSITIVE,
    },
    nullable=("maxAge",),
    rules=(_star_alone,),
)

_GRPC_FIELDS: Mapping[str, Type] = {
    "requestHeaderModifier": HEADER_MODIFIER,
    "responseHeaderModifier": HEADER_MODIFIER,
    "requestMirror": MIRROR,
    "extensionRef": LOCAL,
}
_HTTP_FIELDS: Mapping[str, Type] = {
    **_GRPC_FIELDS,
    "requestRedirect": REDIRECT,
    "urlRewrite": URL_REWRITE,
    "cors": CORS,
}
_FIELD_OF = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "ExtensionRef": "extensionRef",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "CORS": "cors",
}
_ONCE = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS")


def _filter_type(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    _by_type(_FIELD_OF, spec, path, report)


class _Filters:
    """A list of filters, most of which may stand there once."""

    def __init__(self, fields: Mapping[str, Type]) -> None:
        types = tuple(type_ for type_, field in _FIELD_OF.items() if field in fields)
        item = Message({"type": Enum(types), **fields}, required=("type",), rules=(_filter_type,))
        self._list = ListOf(item, most=16)

    def read(self, value: Any, path: Path, report: Report) -> Any:
        out = self._list.read(value, path, report)
        types = [each.get("type") for each in out if isinstance(each, dict)]
        for index, type_ in enumerate(types):
            if type_ in _ONCE and type_ in types[:index]:
                report((*path, index, "type"), f"the filter {type_} may stand here once")
        if "RequestRedirect" in types and "URLRewrite" in types:
            report(path, "the filters RequestRedirect and URLRewrite exclude each other: keep one")
        return out


HTTP_FILTERS, GRPC_FILTERS = _Filters(_HTTP_FIELDS), _Filters(_GRPC_FIELDS)
