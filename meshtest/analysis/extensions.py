"""EnvoyFilters, Telemetries and namespaces: what Istio ignores."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.analysis.catalogue import INJECTION_CONFLICT, PATCH_IGNORED, TELEMETRIES_CONFLICT
from meshtest.analysis.finding import Finding
from meshtest.analysis.sentence import line
from meshtest.analysis.world import World, selector_of
from meshtest.resources.manifest import TELEMETRY
from meshtest.resources.resource import Resource

_NOT_ADDED = ("ROUTE_CONFIGURATION", "HTTP_ROUTE")
_REPLACED = ("HTTP_FILTER", "NETWORK_FILTER")


def check(world: World) -> Iterator[Finding]:
    """Each of them."""
    for resource in world.networking("EnvoyFilter"):
        yield from _patches(resource)
    yield from _telemetries(world)
    for namespace in world.given:
        if namespace.kind == "Namespace":
            yield from _injection(namespace)


def _patches(resource: Resource) -> Iterator[Finding]:
    """After `pkg/config/analysis/analyzers/envoyfilter/envoyfilter.go`."""
    for index, entry in enumerate(resource.spec.get("configPatches") or []):
        kind, operation = entry.get("applyTo", ""), (entry.get("patch") or {}).get("operation", "")
        problem = ""
        if operation in ("ADD", "REMOVE") and kind in _NOT_ADDED:
            problem = f"{operation} is ignored for {kind}. Use MERGE or INSERT_FIRST"
        elif operation == "REPLACE" and kind not in _REPLACED:
            problem = f"REPLACE is for HTTP_FILTER and NETWORK_FILTER only, and is ignored for {kind}. Use MERGE"
        if problem:
            yield PATCH_IGNORED.at(
                resource,
                ("spec", "configPatches", index, "patch", "operation"),
                f"this patch changes nothing: {problem}",
            )


def _telemetries(world: World) -> Iterator[Finding]:
    first: dict[tuple[str, str], Resource] = {}
    for resource in sorted(
        world.other(TELEMETRY, "Telemetry"),
        key=lambda each: (str(each.body["metadata"].get("creationTimestamp") or ""), each.name),
    ):
        if resource.spec.get("targetRefs"):
            continue
        key = (resource.namespace, str(sorted(selector_of(resource).items())))
        older = first.setdefault(key, resource)
        if older is not resource:
            message = (
                f"{older} ({line(older, (), resource)}) is for the same workloads and comes first, so that this one "
                "does not count. Put the two into one"
            )
            yield TELEMETRIES_CONFLICT.at(resource, ("spec",), message)


def _injection(namespace: Resource) -> Iterator[Finding]:
    labels = namespace.labels
    if "istio-injection" in labels and "istio.io/rev" in labels:
        message = (
            f"istio-injection: {labels['istio-injection']} counts, and istio.io/rev: {labels['istio.io/rev']} does "
            "not, so that pods do not get the sidecar of that "
            f"revision. Keep one of the two labels"
        )
        yield INJECTION_CONFLICT.at(namespace, ("metadata", "labels", "istio.io/rev"), message)
