"""Which mTLS mode counts for a workload's port, and which PeerAuthentication says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.resource import Resource
from meshtest.translate.peer_authentication import DISABLE, PERMISSIVE, STRICT, modes
from meshtest.translate.snapshot import Proxy


@dataclass(frozen=True)
class Mode:
    """A mode, and the PeerAuthentication that says so; None where it is Istio's default."""

    name: str
    policy: Resource | None = None


def given_mode(mtls: Any) -> str:
    """The mode of an `mtls` block; empty where it is unset."""
    mode = str((mtls or {}).get("mode", "UNSET"))
    return "" if mode == "UNSET" else mode


def mode(world: World, workload: Workload, port: int) -> Mode:
    """The mode for connections to a port on which the workload listens."""
    instance = workload.instance
    if instance is None or not world.security("PeerAuthentication"):
        return Mode(PERMISSIVE)
    found = world.once(("mode", id(workload)), lambda: modes(world.snapshot, Proxy(instance)))
    name = found.of_port(port)
    return Mode(name, world.once(("mode said", id(workload), port), lambda: _saying(world, workload, port, name)))


def _saying(world: World, workload: Workload, port: int, name: str) -> Resource | None:
    """The narrowest policy that sets this mode for the workload."""
    mine = [each for each in world.security("PeerAuthentication") if each.namespace in (workload.namespace, world.root)]
    own = [
        each
        for each in mine
        if selector_of(each)
        and each.namespace == workload.namespace
        and selector_of(each).items() <= workload.labels.items()
    ]
    for policy in own[:1]:
        if given_mode((policy.spec.get("portLevelMtls") or {}).get(str(port))) == name:
            return policy
    general = [each for each in mine if not selector_of(each)]
    beside = [each for each in general if each.namespace == workload.namespace != world.root]
    mesh = [each for each in general if each.namespace == world.root]
    for scope in (own, beside, mesh):
        if scope and given_mode(scope[0].spec.get("mtls")) == name:
            return scope[0]
    return None


__all__ = ["DISABLE", "PERMISSIVE", "STRICT", "Mode", "given_mode", "mode"]
