"""What an HTTPRoute may say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.duration import nanoseconds
from meshtest.resources.kinds.gateway_api.filters import HTTP_FILTERS, METHODS
from meshtest.resources.kinds.gateway_api.names import HEADER_NAME, HOSTNAME, ROUTE_DURATION, SECTION, filled
from meshtest.resources.kinds.gateway_api.reference import PARENT_REFS, PARENT_RULE, WEIGHTED_FIELDS, with_port
from meshtest.resources.kinds.gateway_api.unique import Unique, by
from meshtest.resources.schema import Enum, ListOf, Message, Report, Text, Type

_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_NOT_IN_PATH = ("//", "/./", "/../", "%2f", "%2F", "#")
_MOST_MATCHES = 128


def _path(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    value = spec.get("value", "/")
    if spec.get("type", "PathPrefix") == "RegularExpression":
        return
    if not value.startswith("/"):
        report((*path, "value"), f"must start with /; this is {value!r}")
    elif wrong := next((each for each in _NOT_IN_PATH if each in value), ""):
        report((*path, "value"), f"must not contain {wrong!r}; this is {value!r}")
    elif value.endswith(("/..", "/.")) or not _PATH.fullmatch(value):
        report((*path, "value"), f"must be a path of a URL, without . and .. as parts; this is {value!r}")


_VALUE_TYPE = Enum(("Exact", "RegularExpression"))
HEADER_MATCHES = Unique(
    Message(
        {"type": _VALUE_TYPE, "name": HEADER_NAME, "value": filled(4096)},
        required=("name", "value"),
        nullable=("type",),
        form="{name: end-user, value: jason}",
    ),
    by("name"),
    "name",
    most=16,
)
_QUERY_MATCHES = Unique(
    Message(
        {"type": _VALUE_TYPE, "name": HEADER_NAME, "value": filled(1024)},
        required=("name", "value"),
        nullable=("type",),
    ),
    by("name"),
    "name",
    most=16,
)
MATCH = Message(
    {
        "path": Message(
            {"type": Enum(("Exact", "PathPrefix", "RegularExpression")), "value": Text(most=1024)},
            nullable=("type", "value"),
            rules=(_path,),
            form="{type: PathPrefix, value: /}",
        ),
        "headers": HEADER_MATCHES,
        "queryParams": _QUERY_MATCHES,
        "method": Enum(METHODS),
    },
    nullable=("path",),
)


def _timeouts(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    request, backend = (nanoseconds(spec.get(key, "0s")) or 0 for key in ("request", "backendRequest"))
    if request and backend > request:
        report((*path, "backendRequest"), "must not be longer than the timeout of the whole request")


def _replaced_prefixes(filters: list[Mapping[str, Any]]) -> Iterator[str]:
    """Of a redirect and of a rewrite, that which replaces the matched prefix, where there is just one."""
    for field in ("requestRedirect", "urlRewrite"):
        paths = [each.get(field, {}).get("path", {}) for each in filters]
        if [each.get("type") for each in paths].count("ReplacePrefixMatch") == 1:
            yield field


def _action(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    filters, backends = spec.get("filters", []), spec.get("backendRefs", [])
    if backends and any("requestRedirect" in each for each in filters):
        report(
            (*path, "backendRefs"),
            "a rule that redirects (RequestRedirect) sends nothing on: take the backendRefs away",
        )
    matches = spec.get("matches", [{}])
    prefix = len(matches) == 1 and matches[0].get("path", {}).get("type", "PathPrefix") == "PathPrefix"
    fields = list(_replaced_prefixes(filters))
    for field in ("requestRedirect", "urlRewrite"):
        if [field in _replaced_prefixes(each.get("filters", [])) for each in backends].count(True) == 1:
            fields.append(field)
    if fields and not prefix:
        report(path, f"{fields[0]}.path.replacePrefixMatch needs exactly one match, of a path of type PathPrefix")


RULE = Message(
    {
        "name": SECTION,
        "matches": ListOf(MATCH, most=64),
        "filters": HTTP_FILTERS,
        "backendRefs": ListOf(
            Message(
                {**WEIGHTED_FIELDS, "filters": HTTP_FILTERS},
                required=("name",),
                nullable=("group", "kind", "weight"),
                rules=(with_port,),
                form="{name: reviews, port: 9080}",
            ),
            most=16,
        ),
        "timeouts": Message({"request": ROUTE_DURATION, "backendRequest": ROUTE_DURATION}, rules=(_timeouts,)),
    },
    nullable=("matches",),
    rules=(_action,),
    form="{backendRefs: [{name: reviews, port: 9080}]}",
)


def few_matches(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """All rules together have a limited number of matches."""
    total = sum(len(rule.get("matches", [])) for rule in spec.get("rules", []))
    if total > _MOST_MATCHES:
        report((*path, "rules"), f"must have at most {_MOST_MATCHES} matches in all; these have {total}")


HTTP_ROUTE: Type = Message(
    {"parentRefs": PARENT_REFS, "hostnames": ListOf(HOSTNAME, most=16), "rules": ListOf(RULE, least=1, most=16)},
    nullable=("rules",),
    rules=(PARENT_RULE, few_matches),
)
