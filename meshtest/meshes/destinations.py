"""Where a rule sends requests, and what of that does not exist. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from meshtest.explain.missing import missing
from meshtest.meshes.protocol import Destination
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Snapshot


def destinations(snapshot: Snapshot, config: ProxyConfig, clusters: Mapping[str, int]) -> tuple[Destination, ...]:
    """The destinations behind weighted clusters such as `outbound|9080|v1|reviews.default.svc.cluster.local`."""
    total = sum(clusters.values()) or 1
    out = []
    for name, weight in clusters.items():
        _, _, subset, host = name.split("|")
        out.append(Destination(host, subset, weight / total, missing(snapshot, config, name)))
    return tuple(out)
