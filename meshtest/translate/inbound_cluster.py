"""The clusters by which a sidecar reaches its own workload (`cluster.go`, `buildInboundCluster` in `cluster_builder.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.translate import connection_pool
from meshtest.translate.cluster_name import inbound_name
from meshtest.translate.destination_rule import Policy
from meshtest.translate.inbound_port import InboundPort, inbound_ports
from meshtest.translate.snapshot import Json, Proxy, Snapshot

_LOCALHOSTS = ("127.0.0.1", "::1")


def clusters(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """One cluster for each port of the workload."""
    return {inbound_name(each.number): _cluster(snapshot, proxy, each) for each in inbound_ports(snapshot, proxy)}


def _cluster(snapshot: Snapshot, proxy: Proxy, port: InboundPort) -> Json:
    name, policy = inbound_name(port.number), _policy(snapshot, proxy, port)
    cluster: Json = {
        **connection_pool.base(name, policy, snapshot.topology.config.connect_timeout),
        "common_lb_config": {},
        **_destination(name, port),
    }
    if port.handed_to is None or port.handed_to[0] not in _LOCALHOSTS:
        # Calls from this address are not intercepted again.
        cluster["upstream_bind_config"] = {"source_address": {"address": "127.0.0.6", "port_value": 0}}
    options = connection_pool.http_options(policy, port.protocol, sniffs=True, inbound=True)
    connection_pool.set_http_options(cluster, options)
    return cluster


def _destination(name: str, port: InboundPort) -> Json:
    if port.handed_to is None:
        return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "cleanup_interval": "9223372035s"}
    address, number = port.handed_to
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": number}}}}
    return {
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _policy(snapshot: Snapshot, proxy: Proxy, port: InboundPort) -> Policy:
    """Of the rule for the Service only limits count, and a Sidecar's own pool counts before its (`InboundConnectionPoolForPort`)."""
    scope = snapshot.scope(proxy)
    service = scope.by_hostname.get(port.service.hostname) if port.service else None
    rule = None
    if service is not None:
        rule = snapshot.destination_rules.lookup(service.hostname, service.namespace, proxy.namespace, None)
    given = rule.policy_for(port.asked) if rule else {}
    policy = {key: value for key, value in given.items() if key in ("connectionPool", "retryBudget")}
    own = [each["connectionPool"] for each in scope.sidecar.get("ingress", []) if _is_for(each, port)]
    pool = own[0] if own else scope.sidecar.get("inboundConnectionPool")
    return policy if pool is None else {**policy, "connectionPool": pool}


def _is_for(listener: Mapping[str, Any], port: InboundPort) -> bool:
    return bool(listener["port"]["number"] == port.number) and "connectionPool" in listener
