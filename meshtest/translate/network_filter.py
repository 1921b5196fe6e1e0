"""What a connection goes through that is not read as HTTP (`networkfilter.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtest.topology.protocol import Protocol
from meshtest.translate.access_log import ACCESS_LOG
from meshtest.translate.cluster_name import outbound_name
from meshtest.translate.destination_rule import DestinationRule
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_service import Spec

_FILTERS = "type.googleapis.com/envoy.extensions.filters.network"


def tcp_proxy(cluster: str, logged: bool = True, **fields: Any) -> Json:
    """Bytes to one cluster; or to several, where `fields` hold `weighted_clusters` and `cluster` only names the statistics."""
    target: Json = {} if "weighted_clusters" in fields else {"cluster": cluster}
    log: Json = {"access_log": ACCESS_LOG} if logged else {}
    config = {"@type": f"{_FILTERS}.tcp_proxy.v3.TcpProxy", "stat_prefix": cluster, **target, **fields, **log}
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}


def to_cluster(cluster: str, protocol: Protocol, rule: DestinationRule | None, subset: str = "") -> list[Json]:
    """The filters for connections to one cluster; the rule is the one for its Service."""
    return [*_codec(protocol, cluster), tcp_proxy(cluster, **_settings(rule, subset))]


def to_routes(
    snapshot: Snapshot, proxy: Proxy, routes: Sequence[Spec], port: int, protocol: Protocol, name: str
) -> list[Json]:
    """The filters for the destinations of a `tcp` or `tls` rule; `port` is the one that was called.

    Settings are those of the first destination, since a connection has one set of them. `name` is for statistics.
    """
    rule = snapshot.rule(proxy, routes[0]["destination"]["host"])
    if len(routes) == 1:
        destination = routes[0]["destination"]
        cluster = _cluster(snapshot, proxy, destination, port)
        return to_cluster(cluster, protocol, rule, destination.get("subset", ""))
    weighted = [
        {"name": _cluster(snapshot, proxy, each["destination"], port), "weight": each["weight"]}
        for each in routes
        if each.get("weight")
    ]
    proxied = tcp_proxy(name, **_settings(rule, ""), weighted_clusters={"clusters": weighted})
    return [*_codec(protocol, name), proxied]


def _cluster(snapshot: Snapshot, proxy: Proxy, destination: Spec, port: int) -> str:
    """The destination's port counts, else the Service's only one, else the one that was called."""
    number = destination.get("port", {}).get("number")
    if number is None:
        service = snapshot.scope(proxy).by_hostname.get(destination["host"])
        number = service.ports[0].number if service and len(service.ports) == 1 else port
    return outbound_name(number, destination.get("subset", ""), destination["host"])


def _settings(rule: DestinationRule | None, subset: str) -> Json:
    """Idle time, longest duration and hash policy; istiod looks at the rule's own policy only, and a subset's load balancer."""
    if rule is None:
        return {}
    policy = rule.policy or {}
    tcp = policy.get("connectionPool", {}).get("tcp", {})
    out: Json = {"idle_timeout": tcp["idleTimeout"]} if "idleTimeout" in tcp else {}
    if "maxConnectionDuration" in tcp:
        out["max_downstream_connection_duration"] = tcp["maxConnectionDuration"]
    balancer = policy.get("loadBalancer", {})
    own = ((rule.subset(subset) or {}).get("trafficPolicy") or {}).get("loadBalancer")
    if own is not None:
        balancer = own
    if balancer.get("consistentHash", {}).get("useSourceIp"):
        out["hash_policy"] = [{"source_ip": {}}]
    return out


def _codec(protocol: Protocol, name: str) -> list[Json]:
    """A filter that reads the protocol for statistics: of those that istiod knows only MongoDB's is on by default."""
    if protocol is not Protocol.MONGO:
        return []
    config = {"@type": f"{_FILTERS}.mongo_proxy.v3.MongoProxy", "stat_prefix": name}
    return [{"name": "envoy.filters.network.mongo_proxy", "typed_config": config}]
