"""PeerAuthentications: modes that do not count, and those that undo stricter ones."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.analysis.catalogue import MODE_OF_NO_PORT, MODE_UNSET, MODES_OF_ONE_SCOPE, STRICT_SWITCHED_OFF
from meshtest.analysis.client_tls import target
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import listed
from meshtest.analysis.mutual_tls import DISABLE, STRICT, given_mode
from meshtest.analysis.sentence import line
from meshtest.analysis.world import World, selector_of
from meshtest.resources.resource import Resource


def check(world: World) -> Iterator[Finding]:
    """Each PeerAuthentication, and those of one scope."""
    first: dict[tuple[str, tuple[tuple[str, str], ...]], Resource] = {}
    for policy in world.security("PeerAuthentication"):
        selector = selector_of(policy)
        older = first.setdefault((policy.namespace, tuple(sorted(selector.items()))), policy)
        if older is not policy:
            whose = (
                "the same workloads"
                if selector
                else "the whole mesh"
                if policy.namespace == world.root
                else f"the namespace {policy.namespace}"
            )
            message = (
                f"{older} ({line(older, (), policy)}) is for {whose} too and comes first, so that this one does not "
                "count. Keep one of the two"
            )
            yield MODES_OF_ONE_SCOPE.at(policy, ("spec",), message)
        yield from _unset(policy)
        yield from _ports(world, policy)
        yield from _weaker(world, policy)


def _unset(policy: Resource) -> Iterator[Finding]:
    if not given_mode(policy.spec.get("mtls")) and not policy.spec.get("portLevelMtls"):
        yield MODE_UNSET.at(
            policy,
            ("spec", "mtls"),
            "no mode is set, so that the one of the namespace or the mesh counts, as without this",
        )
    for port, value in (policy.spec.get("portLevelMtls") or {}).items():
        if not given_mode(value):
            yield MODE_UNSET.at(
                policy,
                ("spec", "portLevelMtls", port),
                f"no mode is set for port {port}, so that the one of the workload counts, as without this",
            )


def _ports(world: World, policy: Resource) -> Iterator[Finding]:
    found = world.workloads.select(selector_of(policy), policy.namespace)
    listening: set[int] = set()
    services: dict[int, int] = {}
    for pod in found:
        listening |= pod.numbers
        for service in world.services_of(pod):
            for port in service.ports:
                listening.add(target(pod, port))
                services[port.number] = target(pod, port)
    if not services or any(not pod.known for pod in found):
        return
    for port, value in (policy.spec.get("portLevelMtls") or {}).items():
        if str(port).isdigit() and int(port) not in listening and given_mode(value):
            number = int(port)
            hint = (
                f"{number} is the Service's port: write {services[number]}"
                if number in services
                else f"it listens on {listed([str(each) for each in sorted(listening)])}"
            )
            message = (
                f"the workload does not listen on port {number}, so that this mode never applies; the port is the "
                f"one of the pod, and {hint}"
            )
            yield MODE_OF_NO_PORT.at(policy, ("spec", "portLevelMtls", port), message)


def _weaker(world: World, policy: Resource) -> Iterator[Finding]:
    """DISABLE below STRICT; PERMISSIVE is the usual way to move a workload over."""
    if given_mode(policy.spec.get("mtls")) != DISABLE:
        return
    general = [each for each in world.security("PeerAuthentication") if not selector_of(each)]
    beside = (
        [each for each in general if each.namespace == policy.namespace != world.root] if selector_of(policy) else []
    )
    for above in (*beside[:1], *[each for each in general if each.namespace == world.root][:1]):
        if above is policy:
            continue
        mode = given_mode(above.spec.get("mtls"))
        if mode == STRICT:
            whose = "the workloads that it selects" if selector_of(policy) else f"the namespace {policy.namespace}"
            message = (
                f"STRICT of {above} ({line(above, ('spec',), policy)}) is switched off for {whose}: their traffic is "
                "plain text, readable on the way, and callers "
                f"have no identity. Write PERMISSIVE while clients move over, or take this away"
            )
            yield STRICT_SWITCHED_OFF.at(policy, ("spec", "mtls"), message)
        if mode:
            return
