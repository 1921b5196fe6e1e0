"""Pods whose traffic passes no sidecar, so that no policy of the mesh is applied to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import POLICY_WITHOUT_SIDECAR, USER_OF_SIDECAR
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import listed
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource

Spec = Mapping[str, Any]
_KINDS = ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")
_OWNERS = ("Deployment", "StatefulSet")
_SIDECARS_USER = 1337
_INJECT = "sidecar.istio.io/inject"


def check(world: World) -> Iterator[Finding]:
    """Each pod that was given, and each policy for pods that are all without a sidecar."""
    for each in world.given:
        if (each.kind == "Pod" or each.kind in _OWNERS) and each.key not in world.wrong:
            yield from _user(each)
    for kind in _KINDS:
        for policy in world.security(kind):
            yield from _policy(world, policy)


def _user(owner: Resource) -> Iterator[Finding]:
    path = ("spec",) if owner.kind == "Pod" else ("spec", "template", "spec")
    spec = _pod(owner)[1]
    places: list[tuple[Path, Spec]] = [(path, spec)]
    for index, container in enumerate(spec.get("containers") or []):
        if container.get("name") != "istio-proxy":
            places.append(((*path, "containers", index), container))
    for at, holder in places:
        context = holder.get("securityContext")
        if isinstance(context, dict) and context.get("runAsUser") == _SIDECARS_USER:
            message = (
                f"{_SIDECARS_USER} is the sidecar's own user, and what it sends is not intercepted, so that its calls pass by all "
                "routes and policies. Run it as another user"
            )
            yield USER_OF_SIDECAR.at(owner, (*at, "securityContext", "runAsUser"), message)


def _policy(world: World, policy: Resource) -> Iterator[Finding]:
    selector = selector_of(policy)
    found = world.selected(policy, selector) if selector else []
    why = {_absent(each) for each in found}
    if found and "" not in why:
        names = listed(list(dict.fromkeys(each.name for each in found)))
        message = (
            f"nothing applies this: {names} {'has' if len(found) == 1 else 'have'} no sidecar ({listed(sorted(why))}), and policies "
            "are the sidecar's to apply. Let one be injected"
        )
        yield POLICY_WITHOUT_SIDECAR.at(policy, ("spec", "selector"), message)


def _absent(workload: Workload) -> str:
    """Why a workload gets no sidecar (`injectRequired` in `pkg/kube/inject/inject.go`); empty where it may have one."""
    if workload.instance is None or workload.gateway:
        return ""
    metadata, spec = _pod(workload.instance.resource)
    given = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}.get(_INJECT)
    if str(given).lower() == "false" and (metadata.get("labels") or {}).get("istio.io/dataplane-mode") != "ambient":
        return f"{_INJECT} is false"
    return "hostNetwork is true" if spec.get("hostNetwork") is True else ""


def _pod(owner: Resource) -> tuple[Spec, Spec]:
    """The metadata and the spec of a pod, or of the pods that an owner makes."""
    if owner.kind == "Pod":
        return owner.body["metadata"], owner.spec
    template = owner.spec.get("template") or {}
    return template.get("metadata") or {}, template.get("spec") or {}
