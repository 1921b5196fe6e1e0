"""Access log lines of proxies as values: from meshtest's JSON, and from the text that Istio's proxies write by default. Pure.

Istio's format is `EnvoyTextLogFormat` of `pilot/pkg/model/telemetry_logging.go`. It escapes nothing, so that a `User-Agent` or an
`X-Forwarded-For` with quotes may be told apart wrongly; JSON has no such doubt.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any

from meshtest.traffic.cause import NONE, Cause
from meshtest.traffic.token import read_user_agent

GATEWAY, OUTBOUND, INBOUND = "gateway", "outbound", "inbound"
READINESS = "readiness"  # of a question to the proxy itself, which is no traffic

# Points in time by their names in Envoy's COMMON_DURATION, from the first byte of the request.
POINTS = {
    "request_end": "DS_RX_END",
    "upstream_start": "US_TX_BEG",
    "upstream_sent": "US_TX_END",
    "upstream_first_byte": "US_RX_BEG",
    "upstream_end": "US_RX_END",
    "response_start": "DS_TX_BEG",
    "response_end": "DS_TX_END",
}
# What the JSON holds, by the fields of `Entry` that are read from it; durations in microseconds, but `duration` in milliseconds.
JSON_FORMAT = {
    "start_time": "%START_TIME(%s.%9f)%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "server_name": "%REQUESTED_SERVER_NAME%",
    "route_name": "%ROUTE_NAME%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "peer_address": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "upstream_connect": "%COMMON_DURATION(US_CX_BEG:US_CX_END:us)%",
    **{name: f"%COMMON_DURATION(DS_RX_BEG:{point}:us)%" for name, point in POINTS.items()},
}
_TEXTS = (
    *("method", "path", "protocol", "details", "termination_details", "upstream_failure", "upstream_service_time"),
    *("forwarded_for", "user_agent", "request_id", "authority", "upstream_host", "upstream_cluster", "route_name"),
    *("upstream_local_address", "downstream_local_address", "downstream_remote_address", "server_name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Cause):
    """One line of a proxy's access log; `str` of it is the line in Istio's default format.

    ``kind`` says on which side the proxy stood: ``gateway``, ``outbound`` (of the caller), ``inbound`` (of the workload that is called).
    ``start_time`` is in seconds since 1970 (UTC); ``peer_address`` is the other end of the downstream connection, which
    ``downstream_remote_address`` need not be. ``path`` is the one that was asked for, before rewriting. TCP has no method, path and status.
    """

    kind: str = ""
    start_time: float = 0.0
    method: str = ""
    path: str = ""
    protocol: str = ""
    authority: str = ""
    termination_details: str = ""
    upstream_failure: str = ""
    bytes_received: int = 0
    bytes_sent: int = 0
    upstream_service_time: str = ""
    forwarded_for: str = ""
    user_agent: str = ""
    request_id: str = ""
    upstream_local_address: str = ""
    downstream_local_address: str = ""
    downstream_remote_address: str = ""
    server_name: str = ""
    peer_address: str = ""

    def __str__(self) -> str:
        said = {name: getattr(self, name) or NONE for name in _TEXTS}
        took = NONE if self.duration is None else str(_milliseconds(self.duration))
        return _ISTIO.format(
            time=_instant(self.start_time),
            status=self.status,
            flags=",".join(self.flags) or NONE,
            received=self.bytes_received,
            sent=self.bytes_sent,
            took=took,
            **said,
        )


_ISTIO = (
    '[{time}] "{method} {path} {protocol}" {status} {flags} {details} {termination_details} "{upstream_failure}" {received} {sent} {took} '
    '{upstream_service_time} "{forwarded_for}" "{user_agent}" "{request_id}" "{authority}" "{upstream_host}" {upstream_cluster} '
    "{upstream_local_address} {downstream_local_address} {downstream_remote_address} {server_name} {route_name}"
)
_ADDRESS = r"[^ ]+"
_LINE = re.compile(
    r'\[(?P<time>[^\]]+)\] "(?P<method>[^ ]+) (?P<path>[^ ]+) (?P<protocol>[^ "]+)" (?P<status>\d+) (?P<flags>[^ ]+) (?P<details>[^ ]+) '
    r'(?P<termination_details>[^ ]+) "(?P<upstream_failure>[^"]*)" (?P<received>\d+) (?P<sent>\d+) (?P<took>\d+|-) '
    r'(?P<upstream_service_time>[^ ]+) "(?P<forwarded_for>[^"]*)" "(?P<user_agent>.*)" "(?P<request_id>[^"]*)" "(?P<authority>[^"]*)" '
    rf'"(?P<upstream_host>[^"]*)" (?P<upstream_cluster>[^"]+) (?P<upstream_local_address>{_ADDRESS}) '
    rf"(?P<downstream_local_address>{_ADDRESS}) (?P<downstream_remote_address>{_ADDRESS}) (?P<server_name>[^ ]+) (?P<route_name>[^ ]+)"
)


def of_text(line: str, proxy: str, gateway: bool = False, instances: Mapping[str, str] | None = None) -> Entry:
    """A line in Istio's default format, as `kubectl logs` prints it; ValueError for any other.

    `instances` are the names of those that have the addresses there. A sidecar
    logs both of its sides: what was sent to its own workload, by the cluster's name, is inbound, all else outbound.
    """
    found = _LINE.fullmatch(line.rstrip("\r\n"))
    if found is None:
        raise ValueError(f"not a line of Istio's default access log: {line[:200]!r}")
    said: dict[str, Any] = {name: _said(found[name]) for name in _TEXTS}
    inbound = said["upstream_cluster"].lower().startswith(INBOUND)
    token, number = read_user_agent(said["user_agent"]) or ("", 0)
    return Entry(
        proxy=proxy,
        kind=GATEWAY if gateway else INBOUND if inbound else OUTBOUND,
        token=token,
        number=number,
        start_time=datetime.fromisoformat(found["time"]).timestamp(),
        status=int(found["status"]),
        flags=_flags(found["flags"]),
        bytes_received=int(found["received"]),
        bytes_sent=int(found["sent"]),
        duration=None if found["took"] == NONE else int(found["took"]) / 1000,
        upstream_instance=(instances or {}).get(said["upstream_host"], ""),
        peer_address=said["downstream_remote_address"],
        **said,
    )


def of_json(line: bytes | str, proxy: str, instances: Mapping[str, str] | None = None) -> Entry:
    """A line in meshtest's own format (`JSON_FORMAT`, with `kind`); ValueError for any other.

    `instances` are the names of those that have the addresses there.
    """
    try:
        given = json.loads(line)
        said: dict[str, Any] = {name: intern(given[name] or "") for name in _TEXTS}
        said |= {name: _seconds(given[name]) for name in ("upstream_connect", *POINTS)}
        token, number = read_user_agent(said["user_agent"]) or ("", 0)
        ended = given["response_end"]
        return Entry(
            proxy=proxy,
            kind=given["kind"],
            token=intern(token),
            number=number,
            start_time=float(given["start_time"]),
            status=given["status"] or 0,
            flags=_flags(given["flags"] or NONE),
            bytes_received=given["bytes_received"] or 0,
            bytes_sent=given["bytes_sent"] or 0,
            duration=(given["duration"] or 0) / 1e3 if ended is None else ended / 1e6,
            attempts=given["attempts"],
            upstream_instance=(instances or {}).get(said["upstream_host"], ""),
            peer_address=given["peer_address"] or "",
            **said,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a line of meshtest's access log ({error!r}): {line[:200]!r}") from None


def _said(text: str) -> str:
    return "" if text == NONE else text


_KNOWN: dict[str, tuple[str, ...]] = {NONE: ()}


def _flags(text: str) -> tuple[str, ...]:
    if text not in _KNOWN:
        if len(_KNOWN) > 1000:  # there are some thirty flags, and few that come together
            return tuple(text.split(","))
        _KNOWN[text] = tuple(text.split(","))
    return _KNOWN[text]


def _seconds(microseconds: Any) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def _milliseconds(seconds: float) -> int:
    """Whole ones, as Envoy counts them; the figure is a binary fraction of what was logged."""
    return math.floor(seconds * 1000 + 0.001)


def _instant(seconds: float) -> str:
    whole, milliseconds = divmod(_milliseconds(seconds), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
