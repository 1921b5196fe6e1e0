"""A VirtualService's `match` as Envoy's RouteMatch (`TranslateRouteMatch` in `route/route.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_PSEUDO_HEADERS = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))


def route_match(match: Mapping[str, Any] | None) -> Json:
    """What a request must look like; None, or nothing about the path, matches each path."""
    if match is None:
        return {"prefix": "/"}
    headers = [_header(name, value) for name, value in match.get("headers", {}).items()]
    headers += [_without(name, value) for name, value in match.get("withoutHeaders", {}).items()]
    headers.sort(key=lambda header: str(header["name"]))
    headers += [_header(header, match[field]) for field, header in _PSEUDO_HEADERS if field in match]
    parameters = [_parameter(name, value) for name, value in match.get("queryParams", {}).items()]
    out: Json = {**_path(match.get("uri", {})), "case_sensitive": not match.get("ignoreUriCase", False)}
    if headers:
        out["headers"] = headers
    if parameters:
        out["query_parameters"] = parameters
    return out


def _path(uri: Mapping[str, str]) -> Json:
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safe_regex": {"regex": uri["regex"]}}
    return {"prefix": uri.get("prefix", "/")}


def string_match(match: Mapping[str, str]) -> Json:
    """Envoy's StringMatcher for an Istio StringMatch."""
    return {"safe_regex": {"regex": match["regex"]}} if "regex" in match else dict(match)


def _asks_for_presence(match: Mapping[str, str]) -> bool:
    # `*` is no regular expression, but is written for "any value" (istio/istio#20629).
    return not match or match.get("regex") == "*"


def _header(name: str, match: Mapping[str, str]) -> Json:
    return {
        "name": name,
        **({"present_match": True} if _asks_for_presence(match) else {"string_match": string_match(match)}),
    }


def _without(name: str, match: Mapping[str, str]) -> Json:
    absent: Json = {} if _asks_for_presence(match) else {"treat_missing_header_as_empty": True}
    return {**_header(name, match), "invert_match": True, **absent}


def _parameter(name: str, match: Mapping[str, str]) -> Json:
    return _header(name, match)


def catches_all(match: Json) -> bool:
    """Whether nothing can come behind a route with this match."""
    path = match.get("prefix") == "/" or match.get("safe_regex", {}).get("regex") == ".*"
    return path and not match.get("headers") and not match.get("query_parameters")
