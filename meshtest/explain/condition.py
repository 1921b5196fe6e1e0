"""The conditions of a route in the words of its author, and whether a request meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.explain.headers import Headers, Value
from meshtest.explain.matcher import (
    Verdict,
    header_matches,
    parameter_matches,
    parameters,
    regex_matches,
)

Json = Mapping[str, Any]

_PSEUDO = {":method": "method", ":authority": "authority", ":scheme": "scheme"}


@dataclass(frozen=True)
class Condition:
    """One condition of a match: the author's field, what it asks for, whether that holds, and what the request has instead."""

    field: tuple[str, ...]
    asks: str
    holds: Verdict
    has: str

    def __str__(self) -> str:
        return f"{self.asks}: {self.has}"


def conditions(match: Json, request: Headers) -> Iterator[Condition]:
    """The conditions of an Envoy RouteMatch, in the author's words."""
    if (path := _path(match, request)) is not None:
        yield path
    for each in match.get("headers", []):
        yield _header(each, request)
    target = request.value(":path")
    for each in match.get("query_parameters", []):
        yield _parameter(each, parameters(target))


def _path(match: Json, request: Headers) -> Condition | None:
    path = request.value(":path").partition("?")[0]
    has = f"the path is {path}"
    if "safe_regex" in match:
        regex = match["safe_regex"]["regex"]
        return Condition(("uri",), f"uri regex {regex}", regex_matches(regex, path), has)
    kind = "exact" if "path" in match else "prefix"
    wanted = str(match.get("path", match.get("prefix")))
    asks = f"uri {kind} {wanted}"
    given, looked_for = path, wanted
    if match.get("case_sensitive") is False:
        asks += " (in any case)"
        given, looked_for = path.lower(), wanted.lower()
    holds = given == looked_for if kind == "exact" else given.startswith(looked_for)
    return None if kind == "prefix" and wanted == "/" else Condition(("uri",), asks, holds, has)


def _header(matcher: Json, request: Headers) -> Condition:
    name, values = str(matcher["name"]), request.values(matcher["name"])
    holds = header_matches(matcher, request)
    wanted = _wanted(matcher)
    if name in _PSEUDO:
        field = _PSEUDO[name]
        return Condition((field,), f"{field} {wanted}", holds, f"the {field} is {_listed(values)}")
    has = f"it is {_listed(values)}" if values else "the request has no such header"
    if matcher.get("invert_match"):
        asks = f"withoutHeaders {name} {wanted}".rstrip()
        return Condition(("withoutHeaders", name), asks, holds, has)
    return Condition(("headers", name), f"header {name} {wanted or 'with any value'}", holds, has)


def _parameter(matcher: Json, given: Mapping[str, str]) -> Condition:
    name = str(matcher["name"])
    has = f"it is {given[name]!r}" if name in given else "the query has no such parameter"
    asks = f"query parameter {name} {_wanted(matcher) or 'with any value'}"
    return Condition(("queryParams", name), asks, parameter_matches(matcher, given), has)


def _wanted(matcher: Json) -> str:
    """`exact jason`; empty where any value will do."""
    wanted = matcher.get("string_match")
    if wanted is None:
        return ""
    if "safe_regex" in wanted:
        return f"regex {wanted['safe_regex']['regex']}"
    kind = next(iter(wanted))
    return f"{kind} {wanted[kind] or repr('')}"


def _listed(values: tuple[Value, ...]) -> str:
    return " and ".join("known only when it is sent" if value is None else value or repr("") for value in values)
