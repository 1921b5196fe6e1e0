"""What decides traffic in the configurations of proxies, and where two of them differ (as `../shared/golden/compare.py` has it).

Names for people, statistics and logs are left out (IGNORED), and how secrets and endpoints reach a proxy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

PROXIES = {
    "gateway": "istio-ingressgateway",
    "egress": "istio-egressgateway",
    "productpage": "productpage-v1",
    "reviews": "reviews-v2",
}
IGNORED = {
    "decorator",
    "metadata",
    "name_for_people",
    "stat_prefix",
    "alt_stat_name",
    "access_log",
    "tracing",
    "max_grpc_timeout",
    "include_request_attempt_count",
    "validate_clusters",
    "max_direct_response_body_size_bytes",
    "ignore_port_in_host_matching",
    "generate_request_id",
    "server_name",
    "normalize_path",
    "path_with_escaped_slashes_action",
    "forward_client_cert_details",
    "set_current_client_cert_details",
    "upgrade_configs",
    "use_remote_address",
    "stream_idle_timeout",
    "http_protocol_options",
    "request_id_extension",
    "initial_fetch_timeout",
    "resource_api_version",
    "traffic_direction",
    "listener_filters_timeout",
    "continue_on_listener_filters_timeout",
    "bind_to_port",
    "connection_balance_config",
    "common_lb_config_metadata",
    "filters_metadata",
    "delay_access_log_start",
    "proxy_100_continue",
    "xff_num_trusted_hops",
    "internal_address_config",
    "skip_xff_append",
    "enable_reuse_port",
    "per_connection_buffer_limit_bytes",
    "health_status",
    "stat_name",
    "shadow_rules_stat_prefix",
    "rules_stat_prefix",
    "sds_config",  # how a secret reaches the proxy is the mesh's own business; its name is compared
}
DECIDING_FILTERS = ("envoy.filters.http.rbac", "envoy.filters.http.jwt_authn", "envoy.filters.network.rbac")
DURATION = re.compile(r"^-?\d+(\.\d+)?s$")


def canonical(value: Any) -> Any:
    """A value without what does not decide, durations as numbers of seconds."""
    if isinstance(value, dict):
        done = {k: canonical(v) for k, v in value.items() if k not in IGNORED}
        return {k: v for k, v in done.items() if v not in (False, "", None) and not (v == 0 and isinstance(v, int))}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    if isinstance(value, str):
        if DURATION.match(value):
            return float(value[:-1]) + 0.0
        if value.isdigit() and len(value) < 10:
            return int(value)
    return value


def routes(configs: Json) -> Json:
    """Virtual hosts, one by one."""
    out: Json = {}
    for name, config in configs.items():
        for host in config.get("virtual_hosts", []):
            entries = [{k: v for k, v in canonical(r).items() if k != "name"} for r in host.get("routes", [])]
            rest = {k: v for k, v in canonical(host).items() if k not in ("routes", "name", "domains")}
            out[f"route {name} / {host['name']}"] = {"domains": sorted(host["domains"]), "routes": entries, **rest}
    return out


def clusters(configs: Json) -> Json:
    """Clusters, but those that every proxy has and those that hand in."""
    skip = {
        "BlackHoleCluster",
        "PassthroughCluster",
        "InboundPassthroughCluster",
        "InboundPassthroughClusterIpv4",
        "agent",
        "prometheus_stats",
        "xds-grpc",
        "sds-grpc",
    }
    return {
        f"cluster {n}": {
            k: v for k, v in canonical(c).items() if k not in ("filters", "load_assignment", "eds_cluster_config")
        }
        for n, c in configs.items()
        if n not in skip and not n.startswith("inbound|")
    }


def endpoints(configs: Json) -> Json:
    """Endpoints by locality and priority, in an order of their own."""

    def members(group: Json) -> tuple[Any, ...]:
        found = []
        for member in group.get("lb_endpoints", []):
            address = member["endpoint"]["address"]
            found.append((json.dumps(canonical(address), sort_keys=True), member.get("load_balancing_weight", 1)))
        return (
            json.dumps(group.get("locality", {}), sort_keys=True),
            group.get("priority", 0),
            group.get("load_balancing_weight"),
            sorted(found),
        )

    return {
        f"endpoints {n}": sorted((members(g) for g in c.get("endpoints", [])), key=repr)
        for n, c in configs.items()
        if n.startswith("outbound|")
    }


def managers(listeners: Json) -> Iterator[tuple[Json, Json, Json]]:
    """Listener, filter chain and filter, one by one."""
    for listener in listeners.values():
        for chain in [
            *listener.get("filter_chains", []),
            *([listener["default_filter_chain"]] if "default_filter_chain" in listener else []),
        ]:
            for item in chain.get("filters", []):
                yield listener, chain, item


def gateway_listeners(listeners: Json) -> Json:
    """Filter chains of a gateway, by port."""
    out: Json = {}
    for listener, chain, item in managers(listeners):
        port = listener["address"].get("socket_address", {}).get("port_value")
        config = item.get("typed_config", {})
        kind = config.get("@type", "").rsplit(".", 1)[-1]
        key = f"listener {port} / {json.dumps(canonical(chain.get('filter_chain_match', {})), sort_keys=True)}"
        entry = out.setdefault(key, {"tls": canonical(chain.get("transport_socket", {})), "filters": []})
        if kind == "HttpConnectionManager":
            deciding = [canonical(f) for f in config.get("http_filters", []) if f["name"] in DECIDING_FILTERS]
            entry["filters"].append({"routes": config.get("rds", {}).get("route_config_name"), "deciding": deciding})
        elif kind == "TcpProxy":
            entry["filters"].append(
                {
                    k: v
                    for k, v in canonical(config).items()
                    if k in ("cluster", "weighted_clusters", "idle_timeout", "hash_policy")
                }
            )
        else:
            entry["filters"].append(canonical(item) if item["name"] in DECIDING_FILTERS else item["name"])
    return out


def sidecar_listeners(listeners: Json) -> Json:
    """Outbound listeners one by one; of virtualInbound the chains of the workload's own ports (tls: required, absent)."""
    out: Json = {}
    for listener, chain, item in managers(listeners):
        match = chain.get("filter_chain_match", {})
        inbound = listener["name"] == "virtualInbound"
        if listener["name"] == "virtualOutbound" or (inbound and match.get("destination_port", 15006) == 15006):
            continue
        config = item.get("typed_config", {})
        kind = config.get("@type", "").rsplit(".", 1)[-1]
        key = f"{listener['name']} / {json.dumps(canonical(match), sort_keys=True)}"
        entry = out.setdefault(key, {"tls": "transport_socket" in chain, "filters": []})
        if kind == "HttpConnectionManager":
            deciding = [canonical(f) for f in config.get("http_filters", []) if f["name"] in DECIDING_FILTERS]
            routes_name = config.get("rds", {}).get("route_config_name") or config.get("route_config", {}).get("name")
            entry["filters"].append({"routes": routes_name, "deciding": deciding})
        elif kind == "TcpProxy":
            entry["filters"].append(
                {
                    k: v
                    for k, v in canonical(config).items()
                    if k in ("cluster", "weighted_clusters", "idle_timeout", "hash_policy")
                }
            )
        elif item["name"] in DECIDING_FILTERS:
            entry["filters"].append(canonical(item))
    return out


def facts(kind: str, config: Json) -> Json:
    """All that decides in the configuration of one proxy, by what it is about."""
    listeners = config.get("listeners", {})
    own = gateway_listeners(listeners) if kind in ("gateway", "egress") else sidecar_listeners(listeners)
    return {
        **routes(config.get("routes", {})),
        **clusters(config.get("clusters", {})),
        **endpoints(config.get("endpoints", {})),
        **own,
    }


def expected(base: Json, case: Json) -> Json:
    """All configurations of a case, of which what it changes is recorded."""
    out: Json = {}
    for proxy, kinds in base.items():
        out[proxy] = {}
        for kind, have in kinds.items():
            change = case.get(proxy, {}).get(kind, {})
            out[proxy][kind] = {
                k: v for k, v in {**have, **change.get("changed", {})}.items() if k not in change.get("removed", [])
            }
    return out


def first_difference(want: Any, have: Any, path: str = "") -> str:
    """Where two values part."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key in sorted({*want, *have}):
            if want.get(key) != have.get(key):
                return first_difference(want.get(key), have.get(key), f"{path}.{key}")
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (a, b) in enumerate(zip(want, have, strict=True)):
            if a != b:
                return first_difference(a, b, f"{path}[{index}]")
    return f"{path}: istiod {json.dumps(want)[:300]}, here {json.dumps(have)[:300]}"


def differences(want: Json, have: Json) -> list[str]:
    """Where istiod (`want`, by the keys of PROXIES) and meshtest (`have`, by workload) disagree."""
    found = []
    for key, proxy in PROXIES.items():
        a, b = facts(key, want[key]), facts(key, have.get(proxy, {}))
        found += [
            f"{proxy}: {fact}{first_difference(a.get(fact), b.get(fact))}"
            for fact in sorted({*a, *b})
            if a.get(fact) != b.get(fact)
        ]
    return found
