"""What kinds of policy resources are, as people call them: by the fields that they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meshtest.resources.resource import Resource

_HTTP = {
    "fault": "Fault injection",
    "timeout": "Timeouts",
    "retries": "Retries",
    "mirror": "Mirroring",
    "mirrors": "Mirroring",
    "rewrite": "Header and path manipulation",
    "headers": "Header and path manipulation",
    "redirect": "Redirects and direct responses",
    "directResponse": "Redirects and direct responses",
    "corsPolicy": "CORS",
}
_POLICIES = {
    "connectionPool": "Circuit breaking",
    "outlierDetection": "Outlier detection",
    "loadBalancer": "Load balancing",
    "tls": "TLS",
}
_KINDS = {
    "AuthorizationPolicy": "Authorization",
    "PeerAuthentication": "Mutual TLS",
    "ServiceEntry": "Egress",
    "WorkloadEntry": "Service discovery",
    "Sidecar": "Visibility",
}
ROUTING = "Routing"


def policy_kinds(resources: Iterable[Resource]) -> list[str]:
    """`Weighted split`, `Fault injection`...: each once; what has nothing else is `Routing`."""
    return list(dict.fromkeys(kind for each in resources for kind in _kinds(each))) or [ROUTING]


def _kinds(resource: Resource) -> Iterator[str]:
    spec = resource.spec
    if resource.kind == "VirtualService":
        for rule in spec.get("http", ()):
            yield from (name for field, name in _HTTP.items() if field in rule)
        routes = [rule for part in ("http", "tcp", "tls") for rule in spec.get(part, ())]
        if any(sum(bool(each.get("weight")) for each in rule.get("route", ())) > 1 for rule in routes):
            yield "Weighted split"
    elif resource.kind == "DestinationRule":
        for policy in (spec, *spec.get("subsets", ())):
            yield from _of_policy(policy.get("trafficPolicy") or {})
    elif resource.kind == "Gateway":
        if any((server.get("tls") or {}).get("mode") for server in spec.get("servers", ())):
            yield "TLS"
    elif resource.kind in _KINDS:
        yield _KINDS[resource.kind]


def _of_policy(policy: Mapping[str, Any]) -> Iterator[str]:
    for each in (policy, *policy.get("portLevelSettings", ())):
        yield from (name for field, name in _POLICIES.items() if field in each)
