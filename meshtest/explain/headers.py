"""The headers of a request as Envoy sees them when it looks for a route.

After `ConnectionManagerUtility::mutateRequestHeaders` (`source/common/http/conn_manager_utility.cc`) with istiod's settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
Value = str | None
"""A header's value; None where it is there, but what it says is known only when the request is sent."""

# Of these Envoy keeps one value, that of several lines joined; of any other each line is a value by itself
# (`INLINE_REQ_HEADERS` in envoy/http/header_map.h, and those that extensions register).
_JOINED = re.compile(
    "accept|accept-encoding|access-control-request-(headers|method)|authorization|cache-control|content-encoding|"
    "content-type|expect|grpc-accept-encoding|grpc-timeout|if-((un)?modified-since|(none-)?match|range)|origin|pragma|"
    "referer|user-agent|via|x-client-trace-id|x-forwarded-(for|host|port|proto)|x-request-id|"
    "x-envoy-(decorator-operation|downstream-service-cluster|external-address|original-path)"
)
# What is taken away: what concerns one connection only, and what Envoy obeys or tells of itself.
_TAKEN = re.compile(
    "keep-alive|proxy-connection|transfer-encoding|x-forwarded-client-cert|"
    "x-envoy-(expected-rq-timeout-ms|force-trace|hedge-on-per-try-timeout|internal|ip-tags|max-retries|original-url|"
    "retriable-(header-names|status-codes)|retry-(grpc-)?on|upstream-alt-stat-name|"
    "upstream-rq-(per-try-timeout-ms|timeout-alt-response|timeout-ms)|upstream-stream-duration-ms)"
)
# What a gateway believes nobody outside.
_TAKEN_AT_GATEWAY = re.compile(
    "x-envoy-(decorator-operation|downstream-service-(cluster|node)|external-address|original-path)|"
    "x-forwarded-(for|proto)|x-request-id"
)
_COMMAND = re.compile(r"%[A-Za-z]")


@dataclass(frozen=True)
class Headers:
    """Names in small letters and their values, pseudo-headers such as `:path` among them."""

    lines: Sequence[tuple[str, Value]]

    def values(self, name: str) -> tuple[Value, ...]:
        """The values of a header, none if it is not there. `host` is `:authority`."""
        name = ":authority" if name.lower() == "host" else name.lower()
        found = tuple(value for key, value in self.lines if key == name)
        if len(found) > 1 and _JOINED.fullmatch(name):
            known = [value for value in found if value is not None]
            return (",".join(known),) if len(known) == len(found) else (None,)
        return found

    def value(self, name: str) -> str:
        """The first value of a header; empty if it is not there, or not known."""
        return next(iter(self.values(name)), None) or ""

    def set(self, name: str, *values: Value) -> Headers:
        """With these values of a header and no others."""
        kept = [line for line in self.lines if line[0] != name.lower()]
        return Headers([*kept, *((name.lower(), value) for value in values)])

    def changed(self, level: Json) -> Headers:
        """As the `request_headers_to_remove` and `request_headers_to_add` of a route, or of a weighted cluster, leave them."""
        out = self
        for name in level.get("request_headers_to_remove", []):
            out = out.set(name)
        for each in level.get("request_headers_to_add", []):
            name, value = each["header"]["key"], _formatted(each["header"]["value"])
            kept = out.values(name) if each.get("append_action") != "OVERWRITE_IF_EXISTS_OR_ADD" else ()
            out = out.set(name, *kept, value)
        return out


def _formatted(text: str) -> Value:
    return None if _COMMAND.search(text) else text.replace("%%", "%")


def request_headers(method: str, authority: str, target: str, given: Iterable[tuple[str, str]]) -> Headers:
    """The headers of a request as it is sent."""
    lines = [(name.lower(), value.strip(" \t")) for name, value in given if name.lower() != "host"]
    return Headers([(":method", method), (":authority", authority), (":path", target), *lines])


def received(sent: Headers, encrypted: bool, gateway: bool, peer: str = "") -> Headers:
    """What a proxy makes of them before anything else; a gateway puts its own word for what it does not believe.

    `peer` is the address that they come from, empty if it is not known.
    """
    upgrades = "upgrade" in sent.value("connection").lower() and bool(sent.values("upgrade"))
    kept = ((name, value) for name, value in sent.lines if _passes(name, value, upgrades))
    out = Headers([line for line in kept if not (gateway and _TAKEN_AT_GATEWAY.fullmatch(line[0]))])
    scheme = "https" if encrypted else "http"
    if gateway:
        path = ",".join([*(value or "" for value in sent.values("x-forwarded-for")), peer]) if peer else None
        out = out.set("x-forwarded-proto", scheme).set("x-forwarded-for", path).set("x-request-id", None)
        return out.set("x-envoy-external-address", None).set(":scheme", scheme)
    if not out.values("x-forwarded-proto"):
        out = out.set("x-forwarded-proto", scheme)
    if not out.values("x-request-id"):
        out = out.set("x-request-id", None)
    said = out.value("x-forwarded-proto").lower()
    return out.set(":scheme", said if said in ("http", "https") else scheme)


def _passes(name: str, value: Value, upgrades: bool) -> bool:
    if name in ("connection", "upgrade"):
        return upgrades
    if name == "te":
        return value is not None and value.lower() == "trailers"
    return not _TAKEN.fullmatch(name)
