"""The clusters by which a sidecar reaches its own workload (`buildInboundCluster` in `cluster_builder.go`)."""

from __future__ import annotations

from meshtest.topology.service import Port, Service
from meshtest.translate import connection_pool
from meshtest.translate.cluster_name import inbound_name
from meshtest.translate.snapshot import Json, Snapshot


def inbound(snapshot: Snapshot, service: Service, port: Port, target: int) -> Json:
    """The cluster for a port of the workload; only the connection pool of the Service's rule applies to it."""
    rule = snapshot.destination_rules.lookup(service.hostname, service.namespace, service.namespace, None)
    policy = rule.policy_for(port.number) if rule else {}
    policy = {key: value for key, value in policy.items() if key == "connectionPool"}
    cluster: Json = {
        **connection_pool.base(inbound_name(target), policy, snapshot.topology.config.connect_timeout),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "cleanup_interval": "9223372035s",
        "common_lb_config": {},
        "upstream_bind_config": {"source_address": {"address": "127.0.0.6", "port_value": 0}},
    }
    options = connection_pool.http_options(policy, port.protocol, sniffs=True, inbound=True)
    connection_pool.set_http_options(cluster, options)
    return cluster
