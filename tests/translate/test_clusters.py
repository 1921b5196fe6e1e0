"""Clusters: policies of DestinationRules in Envoy's terms, and the endpoints behind them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translate.snapshots import GATEWAY_NAME, REVIEWS, SUBSETS, config, destination_rule, reviews_cluster

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
UNLIMITED = 2**32 - 1


def cluster(policy: str, **more: Any) -> dict[str, Any]:
    """The cluster for reviews under a traffic policy (the insides of a flow mapping)."""
    return reviews_cluster(f"trafficPolicy: {{{policy}}}", **more)


def options(policy: str) -> Any:
    """Its protocol options."""
    return cluster(policy).get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})


def test_defaults() -> None:
    """Without a rule: least request, no limits, no outlier detection, panic off, 10 s to connect."""
    made = config("").clusters[f"outbound|9080||{REVIEWS}"]
    assert made["type"] == "EDS"
    assert made["lb_policy"] == "LEAST_REQUEST"
    assert made["connect_timeout"] == "10s"
    assert made["common_lb_config"] == {"healthy_panic_threshold": {}}
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    assert made["circuit_breakers"]["thresholds"] == [dict.fromkeys(limits, UNLIMITED)]
    assert "outlier_detection" not in made
    assert "typed_extension_protocol_options" not in made


def test_endpoints() -> None:
    """A cluster has the instances whose labels its subset names, grouped by place."""
    made = config(SUBSETS)
    for subset, count in (("", 3), ("v1", 1), ("v3", 1)):
        groups = made.endpoints[f"outbound|9080|{subset}|{REVIEWS}"]["endpoints"]
        assert sum(len(group["lb_endpoints"]) for group in groups) == count
        assert groups[0]["load_balancing_weight"] == count
    none = config(destination_rule("host: reviews\nsubsets: [{name: none, labels: {version: v9}}]"))
    assert "endpoints" not in none.endpoints[f"outbound|9080|none|{REVIEWS}"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("simple: UNSPECIFIED", {"lb_policy": "LEAST_REQUEST"}),
        ("simple: LEAST_REQUEST", {"lb_policy": "LEAST_REQUEST"}),
        ("simple: LEAST_CONN", {"lb_policy": "LEAST_REQUEST"}),
        ("simple: RANDOM", {"lb_policy": "RANDOM"}),
        ("simple: ROUND_ROBIN", {}),
        (
            "warmupDurationSecs: 60s",
            {
                "lb_policy": "LEAST_REQUEST",
                "least_request_lb_config": {"slow_start_config": {"slow_start_window": "60s"}},
            },
        ),
        (
            "simple: ROUND_ROBIN, warmupDurationSecs: 1m",
            {"round_robin_lb_config": {"slow_start_config": {"slow_start_window": "60s"}}},
        ),
        ("simple: RANDOM, warmupDurationSecs: 1m", {"lb_policy": "RANDOM"}),
        (
            "consistentHash: {useSourceIp: true}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "1024"}},
        ),
        (
            "consistentHash: {useSourceIp: true, minimumRingSize: 9}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "9"}},
        ),
        (
            "consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 7}}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "7"}},
        ),
        ("consistentHash: {useSourceIp: true, ringHash: {}}", {"lb_policy": "RING_HASH"}),
        (
            "consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}",
            {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": "65537"}},
        ),
    ],
)
def test_load_balancers(given: str, wanted: dict[str, Any]) -> None:
    """Each way of balancing is Envoy's; what is Envoy's own default is not written out."""
    made = cluster(f"loadBalancer: {{{given}}}")
    keys = ("lb_policy", "least_request_lb_config", "round_robin_lb_config", "ring_hash_lb_config", "maglev_lb_config")
    assert {key: made[key] for key in keys if key in made} == wanted


def test_warmup() -> None:
    """A warm-up has a window, a speed, and a share to begin with."""
    made = cluster("loadBalancer: {warmup: {duration: 30s, minimumPercent: 20, aggression: 2}}")[
        "least_request_lb_config"
    ]
    start = made["slow_start_config"]
    assert (start["slow_start_window"], start["aggression"]["default_value"], start["min_weight_percent"]) == (
        "30s",
        2,
        {"value": 20},
    )
    start = cluster("loadBalancer: {warmup: {duration: 30s}}")["least_request_lb_config"]["slow_start_config"]
    assert (start["aggression"]["default_value"], start["min_weight_percent"]) == (1, {"value": 10})


def test_passthrough() -> None:
    """PASSTHROUGH sends a call to the address that it asked for; the proxy knows no endpoints then."""
    made = config(destination_rule("host: reviews\ntrafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}"))
    name = f"outbound|9080||{REVIEWS}"
    assert (made.clusters[name]["type"], made.clusters[name]["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
    assert "eds_cluster_config" not in made.clusters[name]
    assert made.as_json(made)["endpoints"][name]["endpoints"] == []


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ("tcp: {maxConnections: 1}", {"max_connections": 1}),
        ("http: {http1MaxPendingRequests: 2}", {"max_pending_requests": 2}),
        ("http: {http2MaxRequests: 3}", {"max_requests": 3}),
        ("http: {maxRetries: 4}", {"max_retries": 4}),
        ("http: {maxRetries: 0, http2MaxRequests: 0}, tcp: {maxConnections: 0}", {}),
    ],
)
def test_limits(given: str, limits: dict[str, int]) -> None:
    """Each limit of the pool has its threshold; 0 is none."""
    (made,) = cluster(f"connectionPool: {{{given}}}")["circuit_breakers"]["thresholds"]
    assert {key: value for key, value in made.items() if value != UNLIMITED} == limits


def test_retry_budget() -> None:
    """A retry budget has Istio's defaults where it says nothing."""
    (made,) = cluster("retryBudget: {}")["circuit_breakers"]["thresholds"]
    assert made["retry_budget"] == {"budget_percent": {"value": 20}, "min_retry_concurrency": 3}
    (made,) = cluster("retryBudget: {percent: 12.5, minRetryConcurrency: 9}")["circuit_breakers"]["thresholds"]
    assert made["retry_budget"] == {"budget_percent": {"value": 12.5}, "min_retry_concurrency": 9}


def test_connections() -> None:
    """Connecting has a timeout, and keepalive only where it is asked for."""
    made = cluster("connectionPool: {tcp: {connectTimeout: 30ms, tcpKeepalive: {probes: 9, time: 2h, interval: 75s}}}")
    assert made["connect_timeout"] == "0.03s"
    assert made["upstream_connection_options"] == {
        "tcp_keepalive": {"keepalive_probes": 9, "keepalive_time": 7200, "keepalive_interval": 75}
    }
    assert cluster("connectionPool: {tcp: {tcpKeepalive: {probes: 0}}}")["upstream_connection_options"] == {
        "tcp_keepalive": {}
    }
    assert "upstream_connection_options" not in cluster("connectionPool: {tcp: {maxConnections: 1}}")


@pytest.mark.parametrize(
    ("given", "common"),
    [
        ("http: {idleTimeout: 1m}", {"idle_timeout": "60s"}),
        ("tcp: {idleTimeout: 2m}", {"idle_timeout": "120s"}),
        ("tcp: {idleTimeout: 0s}", {"idle_timeout": "0s"}),
        ("http: {idleTimeout: 1m}, tcp: {idleTimeout: 2m}", {"idle_timeout": "60s"}),
        ("http: {maxRequestsPerConnection: 1}", {"max_requests_per_connection": 1}),
        ("tcp: {maxConnectionDuration: 1h}", {"max_connection_duration": "3600s"}),
        ("http: {maxConcurrentStreams: 5}", {}),
    ],
)
def test_common_options(given: str, common: dict[str, Any]) -> None:
    """Lifetimes of connections: the HTTP idle timeout comes before that of TCP."""
    made = options(f"connectionPool: {{{given}}}")
    assert made["common_http_protocol_options"] == common
    assert made["explicit_http_config"] == {"http_protocol_options": {}}


def test_protocols() -> None:
    """HTTP/2 on demand, the client's protocol on demand, and nothing where nothing is said."""
    assert options("connectionPool: {http: {h2UpgradePolicy: UPGRADE}}")["explicit_http_config"] == {
        "http2_protocol_options": {}
    }
    assert set(options("connectionPool: {http: {useClientProtocol: true}}")) == {
        "@type",
        "use_downstream_protocol_config",
    }
    assert options("connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE, maxRetries: 1}}") == {}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", {}),
        ("consecutive5xxErrors: 7", {"consecutive_5xx": 7, "enforcing_consecutive_5xx": 100}),
        ("consecutive5xxErrors: 0", {"consecutive_5xx": 0, "enforcing_consecutive_5xx": 0}),
        (
            "consecutiveGatewayErrors: 3",
            {"consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100},
        ),
        ("consecutiveGatewayErrors: 0", {"consecutive_gateway_failure": 0, "enforcing_consecutive_gateway_failure": 0}),
        ("consecutiveErrors: 3", {}),
        ("interval: 1s, baseEjectionTime: 3m", {"interval": "1s", "base_ejection_time": "180s"}),
        ("maxEjectionPercent: 100", {"max_ejection_percent": 100}),
        ("maxEjectionPercent: 0", {}),
        (
            "splitExternalLocalOriginErrors: true",
            {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0},
        ),
        ("splitExternalLocalOriginErrors: false, consecutiveLocalOriginFailures: 0", {}),
        (
            "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4",
            {
                "split_external_local_origin_errors": True,
                "enforcing_local_origin_success_rate": 0,
                "consecutive_local_origin_failure": 4,
                "enforcing_consecutive_local_origin_failure": 100,
            },
        ),
    ],
)
def test_outlier_detection(given: str, wanted: dict[str, Any]) -> None:
    """A limit that is given is enforced, 0 turns it off; what is unset stays Envoy's; success rates never eject."""
    assert cluster(f"outlierDetection: {{{given}}}")["outlier_detection"] == {"enforcing_success_rate": 0, **wanted}


def test_panic() -> None:
    """Panic is off, unless a minimum of healthy hosts turns it on."""
    assert cluster("outlierDetection: {}")["common_lb_config"]["healthy_panic_threshold"] == {}
    assert cluster("outlierDetection: {minHealthPercent: 30}")["common_lb_config"]["healthy_panic_threshold"] == {
        "value": 30
    }


def test_subset_policies() -> None:
    """A subset's policy replaces whole blocks of the rule's, and keeps the others."""
    spec = """trafficPolicy:
  connectionPool: {tcp: {maxConnections: 10}, http: {http1MaxPendingRequests: 5}}
  outlierDetection: {interval: 1s}
subsets:
- {name: v1, labels: {version: v1}}
- {name: v2, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 20}}, loadBalancer: {simple: RANDOM}}}
"""
    inherited, own = reviews_cluster(spec, "v1"), reviews_cluster(spec, "v2")
    assert inherited["circuit_breakers"]["thresholds"][0]["max_connections"] == 10
    assert own["circuit_breakers"]["thresholds"][0]["max_connections"] == UNLIMITED
    assert own["lb_policy"] == "RANDOM"
    assert inherited["outlier_detection"] == own["outlier_detection"] == {"enforcing_success_rate": 0, "interval": "1s"}


def test_port_policies() -> None:
    """Settings for a port replace everything, so that what they leave out is not inherited; those for other ports do nothing."""
    spec = """trafficPolicy:
  connectionPool: {tcp: {maxConnections: 10}}
  outlierDetection: {}
  retryBudget: {percent: 50}
  portLevelSettings:
  - {port: {number: 80}, loadBalancer: {simple: RANDOM}}
  - {port: {number: 9080}, loadBalancer: {simple: ROUND_ROBIN}}
subsets:
- {name: v1, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}
- {name: v2, trafficPolicy: {portLevelSettings: [{port: {number: 9080}, outlierDetection: {}}]}}
"""
    whole, pool, port = (reviews_cluster(spec, subset) for subset in ("", "v1", "v2"))
    assert "outlier_detection" not in whole
    assert "lb_policy" not in whole
    assert whole["circuit_breakers"]["thresholds"][0]["max_connections"] == UNLIMITED
    assert "retry_budget" not in whole["circuit_breakers"]["thresholds"][0]
    assert (pool["circuit_breakers"]["thresholds"][0]["max_connections"], "lb_policy" in pool) == (1, False)
    assert (port["outlier_detection"], port["lb_policy"]) == ({"enforcing_success_rate": 0}, "LEAST_REQUEST")


GRPC = """
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {clusterIP: 10.0.0.70, selector: {app: echo}, ports: [{name: grpc, port: 7070}, {name: h2, port: 7071, appProtocol: kubernetes.io/h2c}, {name: x, port: 7072}]}
"""


def test_protocols_of_ports() -> None:
    """Ports that speak HTTP/2 are called with it; one of unknown protocol is called as the sidecar was, but not by gateways."""

    def protocols(proxy: str) -> list[set[str]]:
        made = config("", proxy, GRPC).clusters
        found = (made[f"outbound|{port}||echo.default.svc.cluster.local"] for port in (7070, 7071, 7072))
        return [
            set(each.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})) - {"@type"} for each in found
        ]

    assert protocols("productpage-v1") == [
        {"explicit_http_config"},
        {"explicit_http_config"},
        {"use_downstream_protocol_config"},
    ]
    assert protocols(GATEWAY_NAME) == [{"explicit_http_config"}, {"explicit_http_config"}, set()]
    rule = destination_rule(
        "host: echo\ntrafficPolicy: {connectionPool: {http: {maxConcurrentStreams: 8, http2KeepAlive: {interval: 1s, timeout: 1s}}}}"
    )
    made = config(rule, manifests=GRPC).clusters["outbound|7070||echo.default.svc.cluster.local"][
        "typed_extension_protocol_options"
    ]
    assert made[HTTP_OPTIONS]["explicit_http_config"]["http2_protocol_options"] == {
        "max_concurrent_streams": 8,
        "connection_keepalive": {"interval": "1s", "timeout": "1s"},
    }


def test_special_clusters() -> None:
    """Each sidecar has the clusters for what is let through and what is not; a gateway lets nothing through."""
    assert {"BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"} <= config("").clusters.keys()
    gateway = config("", GATEWAY_NAME).clusters.keys()
    assert "BlackHoleCluster" in gateway
    assert not gateway & {"PassthroughCluster", "InboundPassthroughCluster"}
