"""Envoy's matchers for texts in which `*` may stand at one end (`pilot/pkg/security/authz/matcher`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

ANY_TEXT: Json = {"safe_regex": {"regex": ".+"}}
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def quoted(text: str) -> str:
    """A text as a regular expression that matches it alone, as Go writes it (`regexp.QuoteMeta`)."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def string_matcher(value: str, before: str = "", ignore_case: bool = False) -> Json:
    """Matches `value`, which may begin or end with `*`; `before` stands before it, unless it is `*` (`StringMatcherWithPrefix`)."""
    if value == "*":
        return ANY_TEXT
    folded: Json = {"ignore_case": True} if ignore_case else {}
    if value.startswith("*"):
        if before:
            return {"safe_regex": {"regex": f"{before}.*{quoted(value[1:])}"}}
        return {"suffix": value[1:], **folded}
    if value.endswith("*"):
        return {"prefix": before + value[:-1], **folded}
    return {"exact": before + value, **folded}


def header_matcher(name: str, value: str, ignore_case: bool = False) -> Json:
    """Matches a header; `*` is its presence (`HeaderMatcher`, `HostMatcher`)."""
    if value == "*":
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string_matcher(value, ignore_case=ignore_case)}


def one_of(matchers: Iterable[Json]) -> Json:
    """A matcher for a value that fits any of these (`OrMatcher`)."""
    found = [*matchers]
    return found[0] if len(found) == 1 else {"or_match": {"value_matchers": found}}


def metadata_matcher(filter_name: str, keys: Iterable[str], value: Json) -> Json:
    """Matches what a filter has found out of a request (`MetadataValueMatcher`)."""
    return {"filter": filter_name, "path": [{"key": key} for key in keys], "value": value}
