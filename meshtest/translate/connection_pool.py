"""Connection pools: what a `connectionPool` makes of a cluster (`applyConnectionPool` in `cluster_traffic_policy.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.topology.protocol import Protocol
from meshtest.translate.destination_rule import Policy

Json = dict[str, Any]

UNLIMITED = 2**32 - 1
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
EITHER: Json = {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}


def base(name: str, policy: Policy, connect_timeout: str) -> Json:
    """The fields that each cluster has: its name, the time to connect in, limits, keepalive."""
    tcp = policy.get("connectionPool", {}).get("tcp", {})
    cluster: Json = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "alt_stat_name": f"{name};",
        "connect_timeout": tcp.get("connectTimeout", connect_timeout),
        "circuit_breakers": {"thresholds": [thresholds(policy)]},
    }
    if "tcpKeepalive" in tcp:
        cluster["upstream_connection_options"] = {"tcp_keepalive": _keepalive(tcp["tcpKeepalive"])}
    return cluster


def thresholds(policy: Policy) -> Json:
    """Circuit breaker thresholds; what is unset or 0 is unlimited, so that Envoy's own defaults never apply."""
    pool = policy.get("connectionPool", {})
    http, tcp = pool.get("http", {}), pool.get("tcp", {})
    out: Json = {
        "max_connections": tcp.get("maxConnections") or UNLIMITED,
        "max_pending_requests": http.get("http1MaxPendingRequests") or UNLIMITED,
        "max_requests": http.get("http2MaxRequests") or UNLIMITED,
        "max_retries": http.get("maxRetries") or UNLIMITED,
    }
    if (budget := policy.get("retryBudget")) is not None:
        # Istio's defaults: 20 % of the active requests, at least 3.
        out["retry_budget"] = {
            "budget_percent": {"value": budget.get("percent", 20)},
            "min_retry_concurrency": budget.get("minRetryConcurrency") or 3,
        }
        if "budgetInterval" in budget:
            out["retry_budget"]["budget_interval"] = budget["budgetInterval"]
    return out


def _keepalive(given: Mapping[str, Any]) -> Json:
    out: Json = {"keepalive_probes": given["probes"]} if given.get("probes") else {}
    return {**out, **{f"keepalive_{key}": int(float(given[key][:-1])) for key in ("time", "interval") if key in given}}


def http_options(policy: Policy, protocol: Protocol, sniffs: bool, inbound: bool = False) -> Json:
    """HttpProtocolOptions without its type; empty where Envoy's defaults do: HTTP/1.1, or TCP.

    `sniffs` says that the proxy tells protocols apart itself, and then speaks to the destination as its client does.
    """
    pool = policy.get("connectionPool", {})
    http, tcp = pool.get("http", {}), pool.get("tcp", {})
    common = {
        "idle_timeout": http.get("idleTimeout", tcp.get("idleTimeout")),
        "max_requests_per_connection": http.get("maxRequestsPerConnection") or None,
        "max_connection_duration": tcp.get("maxConnectionDuration"),
    }
    common = {key: value for key, value in common.items() if value is not None}
    streams, keepalive = http.get("maxConcurrentStreams", 0), http.get("http2KeepAlive")
    out: Json = {}
    if common or streams or keepalive is not None:
        out["common_http_protocol_options"] = common
    if http.get("useClientProtocol"):
        return out | EITHER
    if protocol is Protocol.SNIFFED and sniffs:
        return out | EITHER  # an upgrade to HTTP/2 does not change that
    if protocol.http2 or (http.get("h2UpgradePolicy") == "UPGRADE" and not inbound):
        return out | {"explicit_http_config": {"http2_protocol_options": _http2(streams, keepalive)}}
    return out


def _http2(streams: int, keepalive: Mapping[str, Any] | None) -> Json:
    out: Json = {"max_concurrent_streams": streams} if streams else {}
    return out if keepalive is None else {**out, "connection_keepalive": dict(keepalive)}


def set_http_options(cluster: Json, options: Json) -> None:
    """Give a cluster its HttpProtocolOptions, if there are any; Envoy wants the protocol said where anything is."""
    if not options:
        return
    if not options.keys() & {"explicit_http_config", "use_downstream_protocol_config"}:
        options = {**options, "explicit_http_config": {"http_protocol_options": {}}}
    kind = f"type.googleapis.com/{HTTP_OPTIONS}"
    cluster["typed_extension_protocol_options"] = {HTTP_OPTIONS: {"@type": kind, **options}}
