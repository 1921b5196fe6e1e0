"""What a route does to a request on its way: timeout, retries, faults, mirrors, headers, rewrites, CORS, hashing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.explain.headers import Headers
from meshtest.explain.matcher import any_of, string_matches
from meshtest.explain.origin import Origin
from meshtest.explain.rewrite import rewritten
from meshtest.translate.retry import DEFAULT_RETRY_ON

Json = Mapping[str, Any]

FAULT, CORS = "envoy.filters.http.fault", "envoy.filters.http.cors"
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


@dataclass(frozen=True)
class Applied:
    """One thing that is done: what, how, and (where a rule says so) file and line."""

    what: str
    how: str
    where: str = ""


def applied(route: Json, origin: Origin | None, request: Headers) -> Iterator[Applied]:
    """What a route does, in the order in which it is done."""
    filters, action = route.get("typed_per_filter_config", {}), route.get("route", {})
    at = _Places(origin)
    yield from _faults(filters.get(FAULT, {}), at)
    if CORS in filters:
        yield Applied("CORS", _cors(filters[CORS]), at.of("corsPolicy"))
    if "prefix_rewrite" in action or "regex_rewrite" in action:
        path = rewritten(route["match"], action, request.value(":path"))
        yield Applied("path", f"becomes {path or 'what its regular expression makes of it'}", at.of("rewrite"))
    if host := action.get("host_rewrite_literal"):
        yield Applied("host", f"becomes {host}", at.of("rewrite", "headers"))
    yield from _headers(route, at)
    for each in action.get("request_mirror_policies", []):
        yield Applied(
            "mirror",
            f"{_percent(each['runtime_fraction']['default_value'])} also to {each['cluster']}",
            at.of("mirror", "mirrors"),
        )
    if action.get("timeout", "0s") != "0s":
        yield Applied("timeout", str(action["timeout"]), at.of("timeout"))
    if "retry_policy" in action:
        yield Applied("retries", _retries(action["retry_policy"]), at.of("retries"))
    for each in action.get("hash_policy", []):
        yield Applied("sticky", f"consistent hash of {_hashed(each)}")


def _headers(level: Json, at: _Places) -> Iterator[Applied]:
    for side in ("request", "response"):
        parts = [
            f"{'set' if each.get('append_action') == 'OVERWRITE_IF_EXISTS_OR_ADD' else 'add'} "
            f"{each['header']['key']}: {each['header']['value']}"
            for each in level.get(f"{side}_headers_to_add", [])
        ]
        parts += [f"remove {name}" for name in level.get(f"{side}_headers_to_remove", [])]
        if parts:
            yield Applied(f"{side} headers", "; ".join(parts), at.of("headers", "route"))


class _Places:
    """Files and lines of a rule's fields."""

    def __init__(self, origin: Origin | None) -> None:
        self._origin = origin

    def of(self, *fields: str) -> str:
        """Where the first of these fields stands that the rule has; empty if it has none."""
        if self._origin is None:
            return ""
        return next((self._origin.at(field) for field in fields if field in self._origin.rule.spec), "")


def share(percentage: Json) -> float:
    """A fraction of 1."""
    return float(percentage.get("numerator", 0)) / _DENOMINATORS[percentage.get("denominator", "HUNDRED")]


def _percent(percentage: Json) -> str:
    return f"{100 * share(percentage):.6g} %"


def abort(route: Json) -> tuple[float, Json]:
    """The share of requests that a fault aborts, and the abort itself."""
    found = route.get("typed_per_filter_config", {}).get(FAULT, {}).get("abort", {})
    return share(found.get("percentage", {})), found


def _faults(fault: Json, at: _Places) -> Iterator[Applied]:
    if delay := fault.get("delay"):
        yield Applied("fault", f"{_percent(delay['percentage'])} wait {delay['fixed_delay']}", at.of("fault"))
    if found := fault.get("abort"):
        yield Applied(
            "fault", f"{_percent(found.get('percentage', {}))} are answered {aborted_with(found)}", at.of("fault")
        )


def aborted_with(found: Json) -> str:
    """The status of an abort."""
    return str(found["http_status"]) if "http_status" in found else f"200 with gRPC status {found['grpc_status']}"


def _retries(policy: Json) -> str:
    on = policy["retry_on"]
    codes = ", ".join(map(str, policy.get("retriable_status_codes", [])))
    when = "when nothing was answered (Istio's default)" if on == DEFAULT_RETRY_ON else f"on {on}"
    each = f", each within {policy['per_try_timeout']}" if "per_try_timeout" in policy else ""
    return f"up to {policy['num_retries']} {when}{f' ({codes})' if codes else ''}{each}"


def _hashed(policy: Json) -> str:
    if "header" in policy:
        return f"the header {policy['header']['header_name']}"
    if "cookie" in policy:
        return f"the cookie {policy['cookie']['name']}"
    return f"the parameter {policy['query_parameter']['name']}" if "query_parameter" in policy else "the source address"


def _cors(policy: Json) -> str:
    origins = [next(iter(_plain(each).items())) for each in policy.get("allow_origin_string_match", [])]
    listed = ", ".join(f"{kind} {value}" for kind, value in origins) or "none"
    methods = f"; methods {policy['allow_methods']}" if policy.get("allow_methods") else ""
    return f"origins {listed}{methods}"


def _plain(matcher: Json) -> Json:
    return {"regex": matcher["safe_regex"]["regex"]} if "safe_regex" in matcher else matcher


def preflight(route: Json, request: Headers) -> str:
    """Why a proxy answers a CORS preflight by itself; empty if it does not (`source/extensions/filters/http/cors/cors_filter.cc`)."""
    policy = route.get("typed_per_filter_config", {}).get(CORS)
    asked: Sequence[str] = [request.value(name) for name in (":method", "origin", "access-control-request-method")]
    if policy is None or asked[0] != "OPTIONS" or not asked[1] or not asked[2]:
        return ""
    allowed = any_of(string_matches(each, asked[1]) for each in policy.get("allow_origin_string_match", []))
    if allowed:
        return f"the origin {asked[1]} is allowed"
    return (
        ""
        if policy.get("forward_not_matching_preflights", True)
        else f"the origin {asked[1]} is not allowed, and no header says so"
    )
