"""Which mTLS mode counts for a workload's port (`ComposePeerAuthentication` in `pilot/pkg/security/authn/policy_applier.go`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.resource import Resource

PERMISSIVE, STRICT, DISABLE = "PERMISSIVE", "STRICT", "DISABLE"


@dataclass(frozen=True)
class Mode:
    """A mode, and the PeerAuthentication that says so; None where it is Istio's default."""

    name: str
    policy: Resource | None = None


@dataclass(frozen=True)
class _Scopes:
    """PeerAuthentications by what they are for: the mesh, a namespace, workloads."""

    mesh: Resource | None
    namespaces: dict[str, Resource]
    workloads: dict[str, list[Resource]]


def scopes(world: World) -> _Scopes:
    """The PeerAuthentications that count; of two of one scope the older one."""
    return world.once("peer authentications", lambda: _scopes(world))


def _scopes(world: World) -> _Scopes:
    mesh: Resource | None = None
    namespaces: dict[str, Resource] = {}
    workloads: dict[str, list[Resource]] = {}
    for each in world.security("PeerAuthentication"):
        if selector_of(each):
            workloads.setdefault(each.namespace, []).append(each)
        elif each.namespace == world.root:
            mesh = mesh or each
        else:
            namespaces.setdefault(each.namespace, each)
    return _Scopes(mesh, namespaces, workloads)


def given_mode(mtls: Any) -> str:
    """The mode of an `mtls` block; empty where it is unset."""
    mode = str((mtls or {}).get("mode", "UNSET"))
    return "" if mode == "UNSET" else mode


def own_policy(world: World, workload: Workload) -> Resource | None:
    """The PeerAuthentication whose selector names the workload; those of the root namespace do not count."""
    if workload.namespace == world.root:
        return None
    found = scopes(world).workloads.get(workload.namespace, [])
    return next((each for each in found if selector_of(each).items() <= workload.labels.items()), None)


def mode(world: World, workload: Workload, port: int) -> Mode:
    """The mode for connections to a port on which the workload listens."""
    found, out = scopes(world), Mode(PERMISSIVE)
    own = own_policy(world, workload)
    for policy in (found.mesh, found.namespaces.get(workload.namespace), own):
        if policy is not None and (name := given_mode(policy.spec.get("mtls"))):
            out = Mode(name, policy)
    if own is not None:
        for key, value in (own.spec.get("portLevelMtls") or {}).items():
            if str(key) == str(port) and (name := given_mode(value)):
                out = Mode(name, own)
    return out
