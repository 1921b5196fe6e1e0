"""Headers that rules want and that callers may not send: custom ones inside the mesh, claims of tokens nobody checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshtest.analysis.binding import Binding, bindings
from meshtest.analysis.catalogue import CLAIMS_WITHOUT_AUTHENTICATION, HEADER_NOT_FORWARDED
from meshtest.analysis.finding import Finding
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.resource import Resource

# What HTTP clients send of themselves, what proxies add and tracing passes on, and what Bookinfo's productpage sets.
_COMMON = re.compile(
    r"(accept|accept-.*|authorization|b3|baggage|cache-control|content-.*|cookie|date|dnt|end-user|expect|forwarded|from|grpc-.*|host"
    r"|if-.*|jwt|origin|pragma|proxy-.*|range|referer|sec-.*|sw8.*|te|trace.*|upgrade.*|user-agent|uber-trace-id|via|x-amzn-.*|x-b3-.*"
    r"|x-cloud-trace-context|x-datadog-.*|x-envoy-.*|x-forwarded-.*|x-istio-.*|x-ot-.*|x-real-ip|x-request-id|:.*|@.*)"
)
_CLAIMS = "@request.auth.claims"


def check(world: World) -> Iterator[Finding]:
    """Each header that a match asks for, once a VirtualService."""
    for binding in bindings(world):
        inside = binding.mesh_only and any(not service.entry for service in binding.services)
        told: set[str] = set()
        for rule in binding.rules.http:
            for index, match in enumerate(rule.spec.get("match", [])):
                for name in match.get("headers", {}):
                    path = (*rule.path, "match", index, "headers", name)
                    lowered = name.lower()
                    if lowered in told:
                        continue
                    if lowered.startswith(_CLAIMS):
                        yield from _claims(world, binding, path)
                        told.add(lowered)
                    elif inside and not common_header(name):
                        told.add(lowered)
                        called = next(service.short for service in binding.services if not service.entry)
                        yield HEADER_NOT_FORWARDED.at(binding.resource, path, not_forwarded(name, called))


def common_header(name: str) -> bool:
    """Whether callers send a header of themselves, or as a matter of course."""
    return bool(_COMMON.fullmatch(name.lower()))


def not_forwarded(name: str, services: str) -> str:
    """That a header may be missing inside the mesh."""
    return (
        f"calls of {services} inside the mesh carry {name} only where the calling workload's own program sends it "
        "on: proxies do not copy headers "
        f"from the request that came in to those that go out, so that this match may never apply. Does every caller forward {name}? "
        f"If not, make it do so, or route where the header comes in"
    )


def _claims(world: World, binding: Binding, path: tuple[str | int, ...]) -> Iterator[Finding]:
    remedy = "Add a RequestAuthentication for these pods"
    if binding.mesh_only:
        message = (
            "claims of tokens are looked at by gateways only, so that inside the mesh this match never applies. "
            "Bind the rules to a Gateway"
        )
        yield CLAIMS_WITHOUT_AUTHENTICATION.at(binding.resource, path, message)
        return
    for gateway in binding.gateways:
        unchecked = [pod for pod in gateway.workloads if not authentications(world, pod)]
        if unchecked:
            message = (
                f"no RequestAuthentication checks tokens at the pods of the Gateway {gateway.name} (such as {unchecked[0].name} in "
                f"{unchecked[0].namespace}), so that there are no claims and this match never applies. {remedy}"
            )
            yield CLAIMS_WITHOUT_AUTHENTICATION.at(binding.resource, path, message)
            return


def authentications(world: World, pod: Workload) -> list[Resource]:
    """The RequestAuthentications that count for a workload; those that name their target may."""
    return [
        each
        for each in world.security("RequestAuthentication")
        if each.spec.get("targetRefs")
        or (each.namespace in (world.root, pod.namespace) and selector_of(each).items() <= pod.labels.items())
    ]
