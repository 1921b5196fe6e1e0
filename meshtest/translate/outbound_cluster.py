"""Clusters by which a proxy reaches others: one for each port of each Service, and each subset (`cluster.go`, `cluster_builder.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from meshtest.topology.endpoint import Endpoint
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Resolution, Service
from meshtest.translate import connection_pool, upstream_tls
from meshtest.translate.cluster_name import outbound_name, server_name
from meshtest.translate.destination_rule import DestinationRule, Policy
from meshtest.translate.load_assignment import load_assignment
from meshtest.translate.load_balancer import load_balancer
from meshtest.translate.locality import Group, effective, grouped, preferred, weighted
from meshtest.translate.outlier_detection import outlier_detection, panic_threshold
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.upstream_tls import Upstream

ADS: Json = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
_DNS: Json = {
    "dns_lookup_family": "V4_ONLY",
    "dns_jitter": "0.100s",
    "dns_refresh_rate": "60s",
    "respect_dns_ttl": True,
    "typed_dns_resolver_config": {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "udp_max_queries": 100,
        },
    },
}
_TYPES = {
    Resolution.STATIC: "EDS",
    Resolution.DNS: "STRICT_DNS",
    Resolution.DNS_ROUND_ROBIN: "LOGICAL_DNS",
    Resolution.NONE: "ORIGINAL_DST",
}

Made = tuple[dict[str, Json], dict[str, Json]]


def clusters(snapshot: Snapshot, proxy: Proxy) -> Made:
    """The clusters of all that the proxy sees, and their endpoints; both by the cluster's name."""
    return _made(target for service in snapshot.scope(proxy).services for target in _targets(snapshot, proxy, service))


def sni_clusters(snapshot: Snapshot, proxy: Proxy) -> Made:
    """For AUTO_PASSTHROUGH: clusters named by the server name, without TLS, with those endpoints that take mutual TLS."""
    services = [each for each in snapshot.scope(proxy).services if not each.external]
    return _made(replace(target, by_sni=True) for each in services for target in _targets(snapshot, proxy, each))


def _targets(snapshot: Snapshot, proxy: Proxy, service: Service) -> Iterator[_Target]:
    rule = snapshot.rule(proxy, service.hostname)
    for port in service.ports:
        if port.protocol is not Protocol.UDP:
            for subset in (None, *(rule.subsets if rule else ())):
                yield _Target(snapshot, proxy, service, port, rule, subset)


def _made(targets: Iterator[_Target]) -> Made:
    clusters: dict[str, Json] = {}
    endpoints: dict[str, Json] = {}
    for target in targets:
        if target.type.endswith("DNS") and not target.endpoints:
            continue  # Envoy would not take it
        if target.name not in clusters:
            endpoints[target.name] = load_assignment(target.name, target.groups, distinct=target.type == "EDS")
            clusters[target.name] = _cluster(target, endpoints[target.name])
    return clusters, endpoints


@dataclass(frozen=True)
class _Target:
    """What one cluster leads to: a port of a Service, and perhaps a subset of it."""

    snapshot: Snapshot
    proxy: Proxy
    service: Service
    port: Port
    rule: DestinationRule | None
    subset: Mapping[str, Any] | None
    by_sni: bool = False

    @property
    def subset_name(self) -> str:
        return str(self.subset["name"]) if self.subset else ""

    @cached_property
    def name(self) -> str:
        made = server_name if self.by_sni else outbound_name
        return made(self.port.number, self.subset_name, self.service.hostname)

    @cached_property
    def policy(self) -> Policy:
        return self.rule.policy_for(self.port.number, self.subset_name) if self.rule else {}

    @cached_property
    def type(self) -> str:
        """The cluster's type (`convertResolution`); a subset follows the Service, whose own policy may pass connections through."""
        whole = self.rule.policy_for(self.port.number) if self.rule else {}
        if any(each.get("loadBalancer", {}).get("simple") == "PASSTHROUGH" for each in (whole, self.policy)):
            return "ORIGINAL_DST"
        found = _TYPES[self.service.resolution]
        # A gateway has no original destination to go on to.
        return "EDS" if found == "ORIGINAL_DST" and self.proxy.gateway else found

    @cached_property
    def endpoints(self) -> Sequence[Endpoint]:
        labels = self.subset.get("labels", {}).items() if self.subset else ()
        found = self.snapshot.endpoints(self.service, self.port.number)
        return [each for each in found if labels <= each.labels.items()] if labels else found

    @property
    def groups(self) -> list[Group]:
        found = [each for each in self.endpoints if each.tls] if self.by_sni else self.endpoints
        fails_over = "outlierDetection" in self.policy
        here, labels = self.snapshot.locality(self.proxy), self.snapshot.labels(self.proxy)
        return preferred(grouped(found), self.locality_setting, here, labels, fails_over)

    @property
    def locality_setting(self) -> Mapping[str, Any] | None:
        return effective(self.policy.get("loadBalancer", {}))

    @property
    def upstream(self) -> Upstream:
        return Upstream(
            server_name(self.port.number, self.subset_name, self.service.hostname),
            self.snapshot.identities(self.service),
            entry=self.service.entry,
            gateway=self.proxy.gateway,
            selected=bool(self.rule and self.rule.selector is not None),
        )


def _cluster(target: _Target, assignment: Json) -> Json:
    policy = target.policy
    detection = policy.get("outlierDetection")
    common: Json = {"healthy_panic_threshold": panic_threshold(detection)}
    if weighted(target.locality_setting, fails_over=detection is not None):
        common["locality_weighted_lb_config"] = {}
    cluster: Json = {
        **connection_pool.base(target.name, policy, target.snapshot.topology.config.connect_timeout),
        **_discovery(target, assignment),
        "common_lb_config": common,
    }
    if detection is not None:
        cluster["outlier_detection"] = outlier_detection(detection)
    options = connection_pool.http_options(policy, target.port.protocol, sniffs=not target.proxy.gateway)
    if not target.by_sni:
        http2 = "http2_protocol_options" in options.get("explicit_http_config", {})
        socket = upstream_tls.transport_socket(policy.get("tls"), target.upstream, http2)
        options |= upstream_tls.http_options(policy.get("tls"), socket)
        if socket:
            cluster["transport_socket"] = socket
    connection_pool.set_http_options(cluster, options)
    return cluster


def _discovery(target: _Target, assignment: Json) -> Json:
    """How the cluster finds its endpoints, and chooses among them."""
    if target.type == "ORIGINAL_DST":
        moved = target.service.entry and target.port.target != target.port.number
        override: Json = {"original_dst_lb_config": {"upstream_port_override": target.port.target}} if moved else {}
        return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", **override}
    balancer = load_balancer(target.policy.get("loadBalancer", {}))
    if target.type == "EDS":
        config: Json = {"eds_config": ADS, "service_name": target.name}
        return {"type": "EDS", "eds_cluster_config": config, **balancer}
    kept = {key: value for key, value in assignment.items() if key != "@type"}
    return {"type": target.type, **_DNS, "load_assignment": kept, **balancer}
