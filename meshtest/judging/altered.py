"""A rule that sends a share of its requests on with another header: it makes a mesh wrong in what workloads see, by a margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_FINE = 1000  # parts of a percentage point that weights can tell


@dataclass(frozen=True)
class Altered:
    """Of a rule's requests `percent` arrive with `header` of this value; with None, without it."""

    header: str
    value: str | None
    percent: float

    def __call__(self, rule: Mapping[str, Any]) -> Json:
        """The changed copy of the rule (an entry of a VirtualService's `http`)."""
        route = [_with_own_headers(each, rule.get("headers")) for each in rule.get("route", ())]
        kept = {name: each for name, each in rule.items() if name != "headers"}
        return {**kept, "route": [each for destination in route for each in self._two(destination, len(route))]}

    def _two(self, destination: Mapping[str, Any], destinations: int) -> tuple[Json, Json]:
        """The destination as it is, and a share of its requests with the header altered."""
        whole = destination.get("weight", 100 if destinations == 1 else 0)
        altered = round(self.percent * _FINE)
        return (
            {**destination, "weight": whole * (100 * _FINE - altered)},
            {**destination, "weight": whole * altered, "headers": self._alter(destination.get("headers", {}))},
        )

    def _alter(self, headers: Mapping[str, Any]) -> Json:
        asked = _without(headers.get("request", {}), self.header)
        if self.value is None:
            asked["remove"] = [*asked.get("remove", ()), self.header]
        else:
            asked["set"] = {**asked.get("set", {}), self.header: self.value}
        return {**headers, "request": asked}


def _with_own_headers(destination: Mapping[str, Any], of_rule: Mapping[str, Any] | None) -> Json:
    """The destination with the rule's manipulations as its own: Envoy applies a rule's behind those of its destinations."""
    own = destination.get("headers", {})
    of_rule = of_rule or {}
    sides = {side: _behind(own.get(side, {}), of_rule.get(side, {})) for side in ("request", "response")}
    headers = {side: found for side, found in sides.items() if found}
    return {**destination, "headers": headers} if headers else dict(destination)


def _behind(first: Mapping[str, Any], then: Mapping[str, Any]) -> Json:
    """One manipulation that does what the two do, one behind the other."""
    for name in (*then.get("remove", ()), *then.get("set", {})):
        first = _without(first, name)
    texts = {key: {**first.get(key, {}), **then.get(key, {})} for key in ("set", "add")}
    return _filled(texts, [*first.get("remove", ()), *then.get("remove", ())])


def _without(side: Mapping[str, Any], header: str) -> Json:
    """What a manipulation does with other headers."""

    def other(name: str) -> bool:
        return name.lower() != header.lower()

    texts = {key: {name: value for name, value in side.get(key, {}).items() if other(name)} for key in ("set", "add")}
    return _filled(texts, list(filter(other, side.get("remove", ()))))


def _filled(texts: Mapping[str, Any], removed: list[str]) -> Json:
    return {key: found for key, found in {**texts, "remove": removed}.items() if found}
