"""The clusters that every proxy of its kind has: for what matches nothing, and for what is let through (`cluster_builder.go`)."""

from __future__ import annotations

from meshtest.translate import connection_pool
from meshtest.translate.cluster_name import BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH
from meshtest.translate.snapshot import Json, Proxy, Snapshot


def special(snapshot: Snapshot, proxy: Proxy) -> dict[str, Json]:
    """By name; a gateway has only the one that leads nowhere."""
    timeout = snapshot.topology.config.connect_timeout
    black_hole: Json = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
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
    cluster: Json = {
        **connection_pool.base(name, {}, connect_timeout),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
    }
    idle: Json = {"common_http_protocol_options": {"idle_timeout": "300s"}}
    connection_pool.set_http_options(cluster, idle | connection_pool.EITHER)
    return cluster
