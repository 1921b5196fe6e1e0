"""Envoy's matchers of strings, headers and query parameters: True, False, or None where it cannot be told without sending.

After `source/common/common/matchers.cc`, `source/common/http/header_utility.cc` and `source/common/router/config_utility.cc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshtest.explain.headers import Headers, Value
from meshtest.explain.pattern import Untold, pattern

Json = Mapping[str, Any]
Verdict = bool | None


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """False if one is, else None if one cannot be told."""
    found = [*verdicts]
    return False if False in found else None if None in found else True


def any_of(verdicts: Iterable[Verdict]) -> Verdict:
    """True if one is, else None if one cannot be told."""
    return negated(all_of(negated(each) for each in verdicts))


def negated(verdict: Verdict) -> Verdict:
    """The contrary."""
    return None if verdict is None else not verdict


def string_matches(matcher: Json, value: Value) -> Verdict:
    """Envoy's StringMatcher."""
    if value is None:
        return None
    if "safe_regex" in matcher:
        return regex_matches(str(matcher["safe_regex"]["regex"]), value)
    kind = next(kind for kind in ("exact", "prefix", "suffix", "contains") if kind in matcher)
    wanted = str(matcher[kind])
    if matcher.get("ignore_case"):
        wanted, value = wanted.lower(), value.lower()
    if kind == "exact":
        return value == wanted
    if kind == "prefix":
        return value.startswith(wanted)
    return value.endswith(wanted) if kind == "suffix" else wanted in value


def regex_matches(regex: str, value: str) -> Verdict:
    """Whether RE2 matches the whole of `value`; None if that cannot be told here."""
    try:
        return pattern(regex).matches(value)
    except Untold:
        return None


def header_matches(matcher: Json, headers: Headers) -> Verdict:
    """Envoy's HeaderMatcher. Of several values one is enough (`match_headers_individually`)."""
    values = headers.values(matcher["name"])
    if not values and matcher.get("treat_missing_header_as_empty"):
        values = ("",)
    if "string_match" not in matcher:
        return (bool(values) == bool(matcher.get("present_match", True))) != bool(matcher.get("invert_match"))
    if not values:
        return False  # inverted or not
    found = any_of(string_matches(matcher["string_match"], value) for value in values)
    return negated(found) if matcher.get("invert_match") else found


def parameter_matches(matcher: Json, parameters: Mapping[str, str]) -> Verdict:
    """Envoy's QueryParameterMatcher."""
    value = parameters.get(matcher["name"])
    if value is None or "string_match" not in matcher:
        return (value is not None) == bool(matcher.get("present_match", True))
    return string_matches(matcher["string_match"], value)


def parameters(target: str) -> dict[str, str]:
    """The first value of each query parameter, as it is written: Envoy decodes nothing here."""
    pairs = [pair.partition("=") for pair in target.partition("?")[2].split("&") if pair]
    return {name: value for name, _, value in reversed(pairs)}
