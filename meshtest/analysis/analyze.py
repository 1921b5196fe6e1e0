"""All checks on a world, in order of the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from meshtest.analysis import (
    actions,
    annotation_names,
    authorization,
    balancing,
    bound,
    caller_headers,
    client_tls,
    delegates,
    destinations,
    extensions,
    faults,
    gateway_api,
    gateway_destinations,
    interception,
    matching,
    outlier,
    peer_modes,
    policy_scope,
    pools,
    reached,
    retries,
    scope,
    servers,
    services,
    sidecar_scope,
    tokens,
    visibility,
    weights,
)
from meshtest.analysis.finding import Finding
from meshtest.analysis.world import World

CHECKS: tuple[Callable[[World], Iterator[Finding]], ...] = (
    destinations.check,
    delegates.check,
    bound.check,
    gateway_destinations.check,
    reached.check,
    matching.check,
    caller_headers.check,
    weights.check,
    faults.check,
    retries.check,
    actions.check,
    visibility.check,
    policy_scope.check,
    outlier.check,
    pools.check,
    balancing.check,
    client_tls.check,
    servers.check,
    services.check,
    scope.check,
    interception.check,
    peer_modes.check,
    authorization.check,
    tokens.check,
    gateway_api.check,
    sidecar_scope.check,
    extensions.check,
    annotation_names.check,
)


def analyze(world: World) -> list[Finding]:
    """What the world's resources do that was probably not meant, each thing once, by file and line."""
    found = (finding for check in CHECKS for finding in check(world) if world.concerns(finding.resource))
    return in_order({(finding.code.name, id(finding.resource), finding.path): finding for finding in found}.values())


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By file, line and code."""
    return sorted(findings, key=lambda each: (each.resource.file, each.line, each.code.name, each.message))
