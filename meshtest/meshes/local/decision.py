"""Which route decides a request, read off the configuration without sending it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from meshtest.traffic.request import Request
from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """The rule that made a route (its number among the resource's `http` entries), where it stands, and the clusters it sends to with
    their weights (none if it answers itself)."""

    resource: str
    rule: int
    where: str
    clusters: Mapping[str, int]


def decide(config: ProxyConfig, listener: str, host: str, request: Request) -> Decision | None:
    """What decides a request at a listener (by name); None if no VirtualService made the route, or there is none."""
    name = _route_configuration(config, listener)
    if name is None or name not in config.routes:
        return None
    virtual_host = _virtual_host(config.routes[name]["virtual_hosts"], urlsplit(f"//{host}").hostname or "")
    if virtual_host is None or "require_tls" in virtual_host:
        return None  # a redirect to HTTPS comes before all routes
    try:
        route = next((each for each in virtual_host["routes"] if _matches(each["match"], host, request)), None)
    except _Unknown:
        return None
    return _origin(route) if route else None


def virtual_host_of(config: ProxyConfig, listener: str, host: str) -> Json | None:
    """The virtual host for requests at a listener (by name); None if it reads none, or has none for the host."""
    name = _route_configuration(config, listener)
    return _virtual_host(config.routes[name]["virtual_hosts"], host) if name in config.routes else None


class _Unknown(Exception):
    """A regular expression that RE2 understands and Python does not: what decides cannot be told without sending the request."""


def _origin(route: Json) -> Decision | None:
    origin = route.get("metadata", {}).get("filter_metadata", {}).get("meshtest")
    if not origin:
        return None
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", [])
    clusters = {action["cluster"]: 100} if "cluster" in action else {}
    for each in weighted:  # a destination may stand there twice, with other headers
        clusters[each["name"]] = clusters.get(each["name"], 0) + each["weight"]
    return Decision(origin["resource"], int(origin["rule"]), origin["where"], clusters)


def _route_configuration(config: ProxyConfig, listener: str) -> str | None:
    for chain in config.listeners.get(listener, {}).get("filter_chains", []):
        for each in chain["filters"]:
            if "rds" in each["typed_config"]:
                return str(each["typed_config"]["rds"]["route_config_name"])
    return None


def _virtual_host(hosts: Sequence[Json], host: str) -> Json | None:
    """Envoy's order: a full name, the longest wildcard before, the longest behind, any."""

    def rank(domain: str) -> tuple[int, int]:
        if domain == host:
            return (4, 0)
        if domain == "*":
            return (1, 0)
        if domain.startswith("*") and host.endswith(domain[1:]):
            return (3, len(domain))
        return (2, len(domain)) if domain.endswith("*") and host.startswith(domain[:-1]) else (0, 0)

    ranked = [(max(rank(domain.lower()) for domain in each["domains"]), each) for each in hosts]
    best = max(ranked, key=lambda pair: pair[0], default=None)
    return best[1] if best and best[0] > (0, 0) else None


def _matches(match: Json, host: str, request: Request) -> bool:
    path, _, query = request.path.partition("?")
    if not _path(match, path):
        return False
    headers = {":method": request.method, ":authority": host, ":scheme": "http"}
    for name, value in request.headers:
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    parameters = _parameters(query)
    return all(_header(each, headers) for each in match.get("headers", [])) and all(
        _text(each, parameters.get(each["name"])) for each in match.get("query_parameters", [])
    )


def _parameters(query: str) -> dict[str, str]:
    """The first value of each parameter, as Envoy decodes them: `+` stays."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return {unquote(name): unquote(value) for name, _, value in reversed(pairs)}


def _path(match: Json, path: str) -> bool:
    if "safe_regex" in match:
        return _regex(match["safe_regex"]["regex"], path)
    wanted = str(match.get("path", match.get("prefix")))
    if match.get("case_sensitive") is False:
        path, wanted = path.lower(), wanted.lower()
    return path == wanted if "path" in match else path.startswith(wanted)


def _header(match: Json, headers: Mapping[str, str]) -> bool:
    value = headers.get(match["name"].lower())
    if value is None and match.get("treat_missing_header_as_empty"):
        value = ""
    return _text(match, value) != bool(match.get("invert_match", False))


def _text(match: Json, value: str | None) -> bool:
    if value is None or match.get("present_match"):
        return value is not None
    wanted = match["string_match"]
    if "exact" in wanted:
        return value == str(wanted["exact"])
    return (
        value.startswith(str(wanted["prefix"])) if "prefix" in wanted else _regex(wanted["safe_regex"]["regex"], value)
    )


def _regex(pattern: str, text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # [[:alpha:]] means something else to Python
            return re.fullmatch(pattern, text, re.ASCII) is not None
    except (re.error, FutureWarning):
        raise _Unknown from None
