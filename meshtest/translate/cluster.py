"""Clusters: one for each port of each Service and each subset of it (`cluster_builder.go`, `cluster_traffic_policy.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.topology.service import GRPC, HTTP2, SNIFFED, Port, Service
from meshtest.topology.topology import Endpoint
from meshtest.translate.destination_rule import DestinationRule, Policy
from meshtest.translate.load_balancer import load_balancer
from meshtest.translate.outlier_detection import outlier_detection, panic_threshold
from meshtest.translate.snapshot import Json, Proxy, Snapshot

UNLIMITED = 2**32 - 1
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
EITHER: Json = {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
BLACK_HOLE, PASSTHROUGH, INBOUND_PASSTHROUGH = "BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"
ADS: Json = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def outbound_name(port: int, subset: str, host: str) -> str:
    """`outbound|9080|v1|reviews.default.svc.cluster.local`."""
    return f"outbound|{port}|{subset}|{host}"


def inbound_name(port: int) -> str:
    """`inbound|9080||`, by the port that the workload listens on."""
    return f"inbound|{port}||"


def outbound(snapshot: Snapshot, proxy: Proxy) -> tuple[dict[str, Json], dict[str, Json]]:
    """The clusters by which `proxy` reaches each Service and subset, and their endpoints; both by the cluster's name."""
    clusters: dict[str, Json] = {}
    endpoints: dict[str, Json] = {}
    for service in snapshot.topology.services:
        rule = rule_for(snapshot, proxy, service.hostname)
        for port in service.ports:
            found = snapshot.topology.endpoints(service, port)
            for subset, labels in (
                ("", {}),
                *((each["name"], each.get("labels", {})) for each in (rule.subsets if rule else ())),
            ):
                name = outbound_name(port.number, subset, service.hostname)
                policy = rule.policy_for(port.number, subset) if rule else {}
                clusters[name] = _outbound(snapshot, proxy, name, port, policy)
                endpoints[name] = load_assignment(
                    name, [each for each in found if labels.items() <= each.labels.items()]
                )
    return clusters, endpoints


def rule_for(snapshot: Snapshot, proxy: Proxy, host: str) -> DestinationRule | None:
    """The DestinationRule that counts when `proxy` calls `host`; none if there is no such Service."""
    service = snapshot.topology.by_hostname.get(host)
    if service is None:
        return None
    return snapshot.destination_rules.lookup(host, service.namespace, proxy.namespace, proxy.instance.labels)


def _outbound(snapshot: Snapshot, proxy: Proxy, name: str, port: Port, policy: Policy) -> Json:
    cluster: Json = {
        **_base(name, policy, snapshot.topology.config.connect_timeout),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": ADS, "service_name": name},
        "common_lb_config": {"healthy_panic_threshold": panic_threshold(policy.get("outlierDetection"))},
        **load_balancer(policy.get("loadBalancer", {})),
    }
    if (detection := policy.get("outlierDetection")) is not None:
        cluster["outlier_detection"] = outlier_detection(detection)
    upgrade = policy.get("connectionPool", {}).get("http", {}).get("h2UpgradePolicy")
    _set_http_options(cluster, _protocol(port, upgrade == "UPGRADE", sniffs=not proxy.gateway), policy)
    if cluster.get("type") == "ORIGINAL_DST":
        cluster.pop("eds_cluster_config")
    return cluster


def _base(name: str, policy: Policy, connect_timeout: str) -> Json:
    tcp = policy.get("connectionPool", {}).get("tcp", {})
    cluster: Json = {
        "@type": CLUSTER,
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
            "min_retry_concurrency": budget.get("minRetryConcurrency", 3),
        }
    return out


def _keepalive(given: Mapping[str, Any]) -> Json:
    out: Json = {"keepalive_probes": given["probes"]} if given.get("probes") else {}
    return {**out, **{f"keepalive_{key}": int(float(given[key][:-1])) for key in ("time", "interval") if key in given}}


def _protocol(port: Port, upgrade: bool, sniffs: bool) -> Json:
    """The upstream protocol that the port asks for; nothing for HTTP/1.1 and TCP."""
    if upgrade or port.protocol in (HTTP2, GRPC):
        return {"explicit_http_config": {"http2_protocol_options": {}}}
    return EITHER if port.protocol == SNIFFED and sniffs else {}


def _set_http_options(cluster: Json, protocol: Json, policy: Policy) -> None:
    pool = policy.get("connectionPool", {})
    http, tcp = pool.get("http", {}), pool.get("tcp", {})
    options = {key: dict(value) if isinstance(value, dict) else value for key, value in protocol.items()}
    wanted = {
        "idle_timeout": http.get("idleTimeout", tcp.get("idleTimeout")),
        "max_requests_per_connection": http.get("maxRequestsPerConnection") or None,
        "max_connection_duration": tcp.get("maxConnectionDuration"),
    }
    common = {key: value for key, value in wanted.items() if value is not None}
    streams, keepalive = http.get("maxConcurrentStreams", 0), http.get("http2KeepAlive")
    if common or streams or keepalive:
        options["common_http_protocol_options"] = common
    if "http2_protocol_options" in (explicit := options.get("explicit_http_config", {})):
        explicit["http2_protocol_options"] = _http2(streams, keepalive)
    if http.get("useClientProtocol"):
        options.pop("explicit_http_config", None)
        options |= EITHER
    if options and not options.keys() & {"explicit_http_config", "use_downstream_protocol_config"}:
        options["explicit_http_config"] = {"http_protocol_options": {}}
    if options:
        cluster["typed_extension_protocol_options"] = {
            HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **options}
        }


def _http2(streams: int, keepalive: Mapping[str, Any] | None) -> Json:
    out: Json = {"max_concurrent_streams": streams} if streams else {}
    return {**out, "connection_keepalive": dict(keepalive)} if keepalive else out


def inbound(snapshot: Snapshot, service: Service, port: Port, target: int) -> Json:
    """The cluster by which a sidecar reaches its own workload; only the connection pool of the Service's rule applies to it."""
    rule = snapshot.destination_rules.lookup(service.hostname, service.namespace, service.namespace, None)
    policy = {
        key: value for key, value in (rule.policy_for(port.number) if rule else {}).items() if key == "connectionPool"
    }
    cluster: Json = {
        **_base(inbound_name(target), policy, snapshot.topology.config.connect_timeout),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "cleanup_interval": "9223372035s",
        "common_lb_config": {},
        "upstream_bind_config": {"source_address": {"address": "127.0.0.6", "port_value": 0}},
    }
    _set_http_options(cluster, _protocol(port, upgrade=False, sniffs=True), policy)
    return cluster


def special(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """The clusters that every proxy of its kind has: for what matches nothing, and for what is let through."""
    timeout = snapshot.topology.config.connect_timeout
    black_hole: Json = {
        "@type": CLUSTER,
        "name": BLACK_HOLE,
        "alt_stat_name": f"{BLACK_HOLE};",
        "type": "STATIC",
        "connect_timeout": timeout,
    }
    if proxy.gateway:
        return {BLACK_HOLE: black_hole}
    bound: Json = {"upstream_bind_config": {"source_address": {"address": "127.0.0.6", "port_value": 0}}}
    return {
        BLACK_HOLE: black_hole,
        PASSTHROUGH: _passthrough(PASSTHROUGH, timeout),
        INBOUND_PASSTHROUGH: _passthrough(INBOUND_PASSTHROUGH, timeout) | bound,
    }


def _passthrough(name: str, connect_timeout: str) -> Json:
    options: Json = {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "common_http_protocol_options": {"idle_timeout": "300s"},
        **EITHER,
    }
    return {
        **_base(name, {}, connect_timeout),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "typed_extension_protocol_options": {HTTP_OPTIONS: options},
    }


def load_assignment(name: str, endpoints: list[Endpoint]) -> Json:
    """The endpoints of a cluster, grouped by locality."""
    out: Json = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "policy": {"overprovisioning_factor": 140},
    }
    groups: dict[tuple[str, str, str], list[Endpoint]] = {}
    for each in endpoints:
        groups.setdefault(each.locality, []).append(each)
    if groups:
        out["endpoints"] = [_group(locality, members) for locality, members in sorted(groups.items())]
    return out


def _group(locality: tuple[str, str, str], members: list[Endpoint]) -> Json:
    names = {key: value for key, value in zip(("region", "zone", "sub_zone"), locality, strict=True) if value}
    return {
        "locality": names,
        "load_balancing_weight": len(members),
        "lb_endpoints": [_endpoint(each) for each in members],
    }


def _endpoint(each: Endpoint) -> Json:
    address: Json = {"socket_address": {"address": each.address, "port_value": each.port}}
    return {
        "endpoint": {"address": address, "health_check_config": {}},
        "health_status": "HEALTHY",
        "load_balancing_weight": 1,
    }
