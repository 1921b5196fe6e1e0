"""Where a route, or a TCP proxy, sends: clusters with their shares, and the endpoints behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.explain.missing import missing
from meshtest.topology.instance import Instance
from meshtest.translate.cluster_name import BLACK_HOLE, PASSTHROUGH
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Proxy, Snapshot

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """An address behind a cluster; `instance` is the pod that has it, None for one outside. `priority` 0 is used first."""

    address: str
    port: int
    instance: Instance | None
    priority: int = 0

    def __str__(self) -> str:
        name = f"{self.instance.name} " if self.instance else ""
        return f"{name}{self.address}:{self.port}"


@dataclass(frozen=True)
class Destination:
    """One cluster: `share` is 0..1; host, port and subset are those of its name (empty and 0 for a special cluster).

    `subset_at` is where the subset is defined; `tls` says how connections are encrypted, if they are; `missing` says what does not
    exist, and the remedy.
    """

    cluster: str
    share: float
    host: str = ""
    port: int = 0
    subset: str = ""
    subset_at: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    tls: str = ""
    missing: str = ""

    @property
    def handed_in(self) -> bool:
        """Whether it is the proxy's own workload."""
        return self.cluster.startswith(("inbound|", "Inbound"))

    def __str__(self) -> str:
        if not self.host:
            return self.cluster
        subset = f", subset {self.subset}" if self.subset else ""
        return f"{self.host} port {self.port}{subset}"


def weights(action: Json) -> list[tuple[str, float, Json]]:
    """The clusters of a route action or a TCP proxy: name, share, and the entry with what it changes by itself."""
    if "cluster" in action:
        return [(str(action["cluster"]), 1.0, {})]
    entries = action.get("weighted_clusters", {}).get("clusters", [])
    total = sum(each["weight"] for each in entries)
    return [(str(each["name"]), each["weight"] / total, each) for each in entries]


def destination(snapshot: Snapshot, proxy: Proxy, config: ProxyConfig, cluster: str, share: float) -> Destination:
    """What is behind a cluster of a proxy."""
    if cluster in (BLACK_HOLE, PASSTHROUGH) or not cluster.startswith("outbound|"):
        return Destination(cluster, share)
    _, port, subset, host = cluster.split("|")
    return Destination(
        cluster,
        share,
        host,
        int(port),
        subset,
        _subset_at(snapshot, proxy, host, subset),
        tuple(_endpoints(snapshot, config, cluster)),
        _tls(config.clusters.get(cluster, {})),
        missing(snapshot, config, cluster),
    )


def _subset_at(snapshot: Snapshot, proxy: Proxy, host: str, subset: str) -> str:
    rule = snapshot.rule(proxy, host) if subset else None
    if rule is None or rule.subset(subset) is None:
        return ""
    for resource in snapshot.of_kind("DestinationRule"):  # several rules for one host are merged
        for index, each in enumerate(resource.spec.get("subsets", [])):
            if each is rule.subset(subset):
                return resource.where("spec", "subsets", index)
    return ""


def _endpoints(snapshot: Snapshot, config: ProxyConfig, cluster: str) -> Iterator[Endpoint]:
    by_address = snapshot.once(
        "instances by address", lambda: {each.address: each for each in snapshot.topology.instances}
    )
    for group in config.endpoints.get(cluster, {}).get("endpoints", []):
        for member in group["lb_endpoints"]:
            given = member["endpoint"]["address"]["socket_address"]
            address, port = given["address"], given["port_value"]
            yield Endpoint(address, port, by_address.get(address), group.get("priority", 0))


def _tls(cluster: Json) -> str:
    socket = cluster.get("transport_socket")
    if socket is None:
        return ""
    context = socket["typed_config"]
    proved = "tls_certificate_sds_secret_configs" in context.get("common_tls_context", {})
    name = f", asking for {context['sni']}" if context.get("sni") else ""
    return f"encrypted with {'mutual TLS' if proved else 'TLS'}{name}"
