"""What proxies of the local mesh log: a line of JSON for each request that carries a token, and for each TCP connection. Pure.

It has all that Istio's default format has, and what tells causes: attempts, points in time, the peer's own address.
"""

from __future__ import annotations

from typing import Any

from meshtest.meshes.access_log import GATEWAY, INBOUND, JSON_FORMAT, OUTBOUND
from meshtest.traffic.token import PREFIX

Json = dict[str, Any]

_WITH_TOKEN: Json = {"header_filter": {"header": {"name": "user-agent", "string_match": {"prefix": PREFIX}}}}
_NO_CHAIN: Json = {"response_flag_filter": {"flags": ["NR"]}}  # a connection that no filter chain takes
_MANAGER = "envoy.filters.network.http_connection_manager"


def logged(listener: Json, gateway: bool) -> Json:
    """The listener with these logs instead of those that istiod asks for."""
    kind = GATEWAY if gateway else INBOUND if listener["name"].startswith("virtualInbound") else OUTBOUND
    out = {**listener, "filter_chains": [_chain(each, kind) for each in listener["filter_chains"]]}
    if "default_filter_chain" in listener:
        out["default_filter_chain"] = _chain(listener["default_filter_chain"], kind)
    return {**out, "access_log": [_log(kind, _NO_CHAIN)]}


def _chain(chain: Json, kind: str) -> Json:
    return {**chain, "filters": [_filter(each, kind) for each in chain["filters"]]}


def _filter(given: Json, kind: str) -> Json:
    config = given["typed_config"]
    if "access_log" not in config:
        return given
    log = of_requests(kind) if given["name"] == _MANAGER else _log(kind, None)
    return {**given, "typed_config": {**config, "access_log": [log]}}


def of_requests(kind: str) -> Json:
    """The log of an HTTP connection manager: of requests with a token."""
    return _log(kind, _WITH_TOKEN)


def _log(kind: str, condition: Json | None) -> Json:
    log: Json = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/stdout",  # each proxy's own file
            "log_format": {"json_format": {"kind": kind, **JSON_FORMAT}},
        },
    }
    return log if condition is None else {**log, "filter": condition}
