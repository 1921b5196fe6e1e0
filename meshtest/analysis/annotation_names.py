"""Annotations and labels of Istio that are misspelt, which nobody tells (IST0108).

The names are those of `annotation/annotations.gen.go` and `label/labels.gen.go` in istio/api.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from meshtest.analysis.catalogue import ANNOTATION_MISSPELT
from meshtest.analysis.finding import Finding
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource

_SIDECAR = (
    *("agentLogLevel", "bootstrapOverride", "componentLogLevel", "discoveryAddress", "extraStatTags", "inject"),
    *("interceptionMode", "logLevel", "nativeSidecar", "proxyCPU", "proxyCPULimit", "proxyImage", "proxyImageType"),
    *("proxyMemory", "proxyMemoryLimit", "rewriteAppHTTPProbers", "statsCompression", "statsEvictionInterval"),
    *("statsFlushInterval", "statsHistogramBins", "statsHistogramBuckets", "statsInclusionPrefixes"),
    *("statsInclusionRegexps", "statsInclusionSuffixes", "status", "userVolume", "userVolumeMount"),
)
_TRAFFIC = (
    *("excludeInboundPorts", "excludeInterfaces", "excludeOutboundIPRanges", "excludeOutboundPorts"),
    *("includeInboundPorts", "includeOutboundIPRanges", "includeOutboundPorts", "kubevirtInterfaces"),
)
_READINESS = ("applicationPorts", "failureThreshold", "initialDelaySeconds", "periodSeconds")
KNOWN = frozenset(
    (
        *(f"sidecar.istio.io/{each}" for each in _SIDECAR),
        *(f"traffic.sidecar.istio.io/{each}" for each in _TRAFFIC),
        *(f"readiness.status.sidecar.istio.io/{each}" for each in _READINESS),
        *("status.sidecar.istio.io/port", "traffic.istio.io/nodeSelector", "topology.istio.io/controlPlaneClusters"),
        *("alpha.istio.io/canonical-serviceaccounts", "alpha.istio.io/kubernetes-serviceaccounts"),
        *("ambient.istio.io/bypass-inbound-capture", "ambient.istio.io/dns-capture", "ambient.istio.io/redirection"),
        *("ambient.istio.io/waypoint-inbound-binding", "galley.istio.io/analyze-suppress"),
        *("gateway.istio.io/controller-version", "gateway.istio.io/name-override", "gateway.istio.io/service-account"),
        *("gateway.istio.io/managed", "inject.istio.io/templates", "istio.io/autoRegistrationGroup"),
        *("istio.io/connectedAt", "istio.io/disconnectedAt", "istio.io/dry-run", "istio.io/rev", "istio.io/tag"),
        *("istio.io/reroute-virtual-interfaces", "istio.io/workloadController", "istio.io/dataplane-mode"),
        *("istio.io/ingress-use-waypoint", "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"),
        *("istio.io/use-waypoint-canary", "istio.io/use-waypoint-canary-namespace", "istio.io/waypoint-for"),
        *("istio.io/use-waypoint-canary-weight", "istio.io/gateway-name", "networking.istio.io/exportTo"),
        *("networking.istio.io/service-type", "networking.istio.io/traffic-distribution"),
        *("networking.istio.io/enable-autoallocate-ip", "networking.istio.io/gatewayPort"),
        *("operator.istio.io/component", "operator.istio.io/managed", "operator.istio.io/version"),
        *("prometheus.istio.io/merge-metrics", "proxy.istio.io/config", "proxy.istio.io/overrides"),
        *("security.istio.io/tlsMode", "service.istio.io/canonical-name", "service.istio.io/canonical-revision"),
        *("service.istio.io/workload-name", "topology.istio.io/cluster", "topology.istio.io/locality"),
        *("topology.istio.io/network", "topology.istio.io/subzone"),
    )
)
_NEAR = 0.85


def check(world: World) -> Iterator[Finding]:
    """The metadata of each object, and of the pods that it makes."""
    for each in (*world.resources, *(each for each in world.given if each.key not in world.wrong)):
        yield from _metadata(each, each.body["metadata"], ("metadata",))
        if each.kind in ("Deployment", "StatefulSet"):
            metadata = (each.spec.get("template") or {}).get("metadata") or {}
            yield from _metadata(each, metadata, ("spec", "template", "metadata"))


def _metadata(resource: Resource, metadata: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for field in ("annotations", "labels"):
        for key in metadata.get(field) or {}:
            if "istio.io/" not in key or key in KNOWN:
                continue
            if near := get_close_matches(key, KNOWN, n=1, cutoff=_NEAR):
                message = f"Istio knows no {field[:-1]} {key}, so that this has no effect; did you mean {near[0]}? Case counts"
                yield ANNOTATION_MISSPELT.at(resource, (*path, field, key), message)
