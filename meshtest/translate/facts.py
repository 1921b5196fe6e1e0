"""What decides traffic in a proxy's configuration, fact by fact, whoever made it: istiod or the translation. Pure.

Names for people, statistics and logs are left out (IGNORED), and how secrets and endpoints reach a proxy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

Json = dict[str, Any]

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
_EVERYWHERE = {
    "BlackHoleCluster",
    "PassthroughCluster",
    "InboundPassthroughCluster",
    "InboundPassthroughClusterIpv4",
    "agent",
    "prometheus_stats",
    "xds-grpc",
    "sds-grpc",
}
_INTERCEPTED = 15006  # the port of virtualInbound itself: chains for ports that the workload does not name
_PROXIED = ("cluster", "weighted_clusters", "idle_timeout", "hash_policy")
_KINDS = {"route": "routes", "cluster": "clusters", "endpoints": "endpoints"}  # all other facts are of listeners
_KEPT = 20_000  # clusters and virtual hosts


def facts(config: Mapping[str, Json], gateway: bool) -> Json:
    """All that decides in the configuration of one proxy, by what it is about.

    `config` has `listeners`, `routes`, `clusters` and `endpoints` by name (endpoints by their cluster's), in Envoy's JSON with
    snake_case keys.
    """
    listeners = config.get("listeners", {})
    return {
        **_routes(config.get("routes", {})),
        **_clusters(config.get("clusters", {})),
        **_endpoints(config.get("endpoints", {})),
        **(_gateway_chains(listeners) if gateway else _sidecar_chains(listeners)),
    }


def kind_of(fact: str) -> str:
    """Of what a fact is: `routes`, `clusters`, `endpoints` or `listeners`."""
    return _KINDS.get(fact.partition(" ")[0], "listeners")


def first_difference(want: Any, have: Any, path: str = "", names: tuple[str, str] = ("istiod", "here")) -> str:
    """Where two values part, and what each is there; `names` says whose they are."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key in sorted({*want, *have}):
            if want.get(key) != have.get(key):
                return first_difference(want.get(key), have.get(key), f"{path}.{key}", names)
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (a, b) in enumerate(zip(want, have, strict=True)):
            if a != b:
                return first_difference(a, b, f"{path}[{index}]", names)
    return f"{path}: {names[0]} {json.dumps(want)[:300]}, {names[1]} {json.dumps(have)[:300]}"


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


@lru_cache(_KEPT)
def _read(text: str) -> Json:
    return dict(canonical(json.loads(text)))


def _known(value: Json) -> Json:
    """The canonical value; not to be changed. Most of it is the same in many proxies, and from one change to the next."""
    return _read(json.dumps(value, sort_keys=True))


def _routes(configs: Json) -> Json:
    """Virtual hosts, one by one."""
    out: Json = {}
    for name, config in configs.items():
        for host in config.get("virtual_hosts", []):
            known = _known(host)
            entries = [_without(route, "name") for route in known.get("routes", [])]
            rest = _without(known, "routes", "name", "domains")
            out[f"route {name} / {host['name']}"] = {"domains": sorted(host["domains"]), "routes": entries, **rest}
    return out


def _clusters(configs: Json) -> Json:
    """Clusters, but those that every proxy has and those that hand in."""
    return {
        f"cluster {name}": _without(_known(config), "filters", "load_assignment", "eds_cluster_config")
        for name, config in configs.items()
        if name not in _EVERYWHERE and not name.startswith("inbound|")
    }


def _endpoints(configs: Json) -> Json:
    """Endpoints by locality and priority, in an order of their own."""
    return {
        f"endpoints {name}": sorted(filter(_peopled, map(_members, config.get("endpoints", []))), key=repr)
        for name, config in configs.items()
        if name.startswith("outbound|")
    }


def _members(group: Json) -> tuple[Any, ...]:
    """Those that get requests: istiod may send one that is not ready as such, or leave it out."""
    found = []
    for member in group.get("lb_endpoints", []):
        if member.get("health_status", "HEALTHY") not in ("HEALTHY", "UNKNOWN"):
            continue
        address = member["endpoint"]["address"]
        found.append((json.dumps(canonical(address), sort_keys=True), member.get("load_balancing_weight", 1)))
    where = json.dumps(group.get("locality", {}), sort_keys=True)
    return (where, group.get("priority", 0), group.get("load_balancing_weight"), sorted(found))


def _peopled(members: tuple[Any, ...]) -> bool:
    return bool(members[-1])


def _filters(listeners: Json) -> Iterator[tuple[Json, Json, Json]]:
    """Listener, filter chain and filter, one by one."""
    for listener in listeners.values():
        rest = [listener["default_filter_chain"]] if "default_filter_chain" in listener else []
        for chain in [*listener.get("filter_chains", []), *rest]:
            for item in chain.get("filters", []):
                yield listener, chain, item


def _gateway_chains(listeners: Json) -> Json:
    """Filter chains of a gateway, by port."""
    out: Json = {}
    for listener, chain, item in _filters(listeners):
        port = listener["address"].get("socket_address", {}).get("port_value")
        key = f"listener {port} / {json.dumps(canonical(chain.get('filter_chain_match', {})), sort_keys=True)}"
        entry = out.setdefault(key, {"tls": canonical(chain.get("transport_socket", {})), "filters": []})
        entry["filters"].append(_deciding(item) or item["name"])
    return out


def _sidecar_chains(listeners: Json) -> Json:
    """Outbound listeners one by one; of virtualInbound the chains of the workload's own ports (tls: required, absent)."""
    out: Json = {}
    for listener, chain, item in _filters(listeners):
        match = chain.get("filter_chain_match", {})
        inbound = listener["name"] == "virtualInbound"
        if listener["name"] == "virtualOutbound" or (
            inbound and match.get("destination_port", _INTERCEPTED) == _INTERCEPTED
        ):
            continue
        key = f"{listener['name']} / {json.dumps(canonical(match), sort_keys=True)}"
        entry = out.setdefault(key, {"tls": "transport_socket" in chain, "filters": []})
        if found := _deciding(item):
            entry["filters"].append(found)
    return out


def _deciding(item: Json) -> Json | None:
    """What a network filter decides by; None for one that decides nothing."""
    config = item.get("typed_config", {})
    kind = config.get("@type", "").rsplit(".", 1)[-1]
    if kind == "HttpConnectionManager":
        routes = config.get("rds", {}).get("route_config_name") or config.get("route_config", {}).get("name")
        deciding = [canonical(each) for each in config.get("http_filters", []) if each["name"] in DECIDING_FILTERS]
        return {"routes": routes, "deciding": deciding}
    if kind == "TcpProxy":
        return {key: value for key, value in canonical(config).items() if key in _PROXIED}
    return dict(canonical(item)) if item["name"] in DECIDING_FILTERS else None


def _without(value: Json, *keys: str) -> Json:
    return {key: each for key, each in value.items() if key not in keys}
