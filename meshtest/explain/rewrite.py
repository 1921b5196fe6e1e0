"""What a route makes of a path and a host, and where its redirects lead.

After `finalizePathHeader` in `source/common/router/config_impl.cc` and `newUri` in `source/common/http/utility.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.explain.headers import Headers
from meshtest.explain.pattern import Untold, pattern

Json = Mapping[str, Any]


def rewritten(match: Json, action: Json, target: str) -> str | None:
    """The path and query that a route or a redirect goes on with; None if that cannot be told."""
    path, mark, query = target.partition("?")
    if prefix := action.get("prefix_rewrite"):
        matched = str(match["prefix"]) if "prefix" in match else path
        return f"{prefix}{path[len(matched) :]}{mark}{query}"
    if rewrite := action.get("regex_rewrite"):
        try:
            return f"{pattern(rewrite['pattern']['regex']).replaced(path, rewrite['substitution'])}{mark}{query}"
        except Untold:
            return None
    return target


def forwarded(request: Headers, match: Json, action: Json, levels: list[Json]) -> Headers:
    """The request as a route sends it on; `levels` hold the header operations, the most specific first."""
    for level in levels:
        request = request.changed(level)
    path = rewritten(match, action, request.value(":path"))
    request = request.set(":path", path)
    for level in (*levels, action):
        if host := level.get("host_rewrite_literal"):
            return request.set(":authority", host)
    return request


def location(match: Json, redirect: Json, request: Headers) -> str | None:
    """The Location of a redirect; None if that cannot be told."""
    scheme = str(redirect.get("scheme_redirect") or request.value(":scheme"))
    port = f":{redirect['port_redirect']}" if redirect.get("port_redirect") else ""
    host = redirect.get("host_redirect") or _host(request, scheme, port)
    target = request.value(":path")
    if path := redirect.get("path_redirect"):
        target = path if "?" in path else f"{path}{''.join(target.partition('?')[1:])}"
    else:
        changed = rewritten(match, redirect, target)
        if changed is None:
            return None
        target = changed
    return f"{scheme}://{host}{port}{target}"


def _host(request: Headers, scheme: str, port: str) -> str:
    """The request's own host; without its port if another is given, or if it went without saying before the scheme changed."""
    authority, before = request.value(":authority"), request.value("x-forwarded-proto")
    host, colon, own = authority.rpartition(":")
    if not colon or "]" in own:
        return authority
    implied = scheme != before and (before, own) in (("https", "443"), ("http", "80"))
    return host if port or implied else authority
