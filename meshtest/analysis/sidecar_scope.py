"""Sidecars: which workloads they are for, and what they hide from them (`pilot/pkg/model/sidecar.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import (
    SIDECAR_HIDES,
    SIDECAR_HOST_MATCHES_NOTHING,
    SIDECAR_PORT,
    SIDECAR_REDUNDANT,
    SIDECARS_CONFLICT,
)
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import Host, listed
from meshtest.analysis.sentence import line
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology.service import DOMAIN
from meshtest.translate.snapshot import Proxy

Spec = Mapping[str, Any]
# Who calls whom in Bookinfo, by the label `app`: nothing in a cluster says it.
_CALLS = {"productpage": ("details", "reviews"), "reviews": ("ratings",)}


def check(world: World) -> Iterator[Finding]:
    """Each Sidecar, and those for the same workloads."""
    for sidecar in world.networking("Sidecar"):
        for index, listener in enumerate(sidecar.spec.get("egress") or []):
            yield from _listener(world, sidecar, listener, ("spec", "egress", index))
        yield from _hidden(world, sidecar)
    yield from _conflicts(world)


def _listener(world: World, sidecar: Resource, listener: Spec, path: Path) -> Iterator[Finding]:
    entries = list(listener.get("hosts", []))
    matched: list[Host] = []
    for index, entry in enumerate(entries):
        space, _, name = entry.partition("/")
        if space.startswith("~"):
            continue
        found = _matched(world, sidecar, space, name)
        matched += found
        at = (*path, "hosts", index)
        if not found and (problem := _nothing(world, sidecar, space, name)):
            unsure = world.assumed(sidecar) and not world.hosts.within(name) and not world.hosts.near(name)
            yield SIDECAR_HOST_MATCHES_NOTHING.at(
                sidecar, at, f"{entry} lets nothing through: {problem}", INFO if unsure else ""
            )
        elif entry in entries[:index] or (entry != "*/*" and "*/*" in entries):
            cover = entry if entry in entries[:index] else "*/*"
            yield SIDECAR_REDUNDANT.at(
                sidecar, at, f"{entry} is covered by {cover} beside it. Take one of the two away"
            )
    port = listener.get("port", {}).get("number")
    if port and matched and not any(host.port(port) for host in matched):
        names = listed([f"{host.short} ({host.listed_ports})" for host in matched])
        message = (
            f"nothing is let through here: the listener is for port {port}, and the hosts have other ones: {names}. "
            "Write a port of the hosts, or none"
        )
        yield SIDECAR_PORT.at(sidecar, (*path, "port", "number"), message)


def _matched(world: World, sidecar: Resource, space: str, name: str) -> list[Host]:
    own = sidecar.namespace if space == "." else space
    hosts = world.hosts.within(name) if name != "*" else world.hosts.all
    return [each for each in hosts if own in ("*", each.namespace)]


def _nothing(world: World, sidecar: Resource, space: str, name: str) -> str:
    own = sidecar.namespace if space == "." else space
    if name == "*":
        if own in (world.root, "*") or own in world.namespaces:
            return ""
        return f"there is no namespace {own}. Write one that exists" if world.namespaces_listed else ""
    elsewhere = sorted({each.namespace for each in world.hosts.within(name)})
    if elsewhere:
        return f"{name} is in the namespace {listed(elsewhere)}, not in {own}. Write {elsewhere[0]}/{name}"
    near = world.hosts.near(name)
    return f"no service is called {name}{f'; did you mean {near}?' if near else '. Write the full name of a service'}"


def _hidden(world: World, sidecar: Resource) -> Iterator[Finding]:
    """Services that the workloads call, as far as that is known, and do not see any more."""
    if not sidecar.spec.get("egress"):
        return
    for pod in _pods(world, sidecar):
        lost = [service for service in _called(world, pod) if not _sees(world, pod, service)]
        if lost:
            names = listed([service.short for service in lost])
            ports = listed(list(dict.fromkeys(str(port.number) for service in lost for port in service.ports)))
            closed = _closed(world, sidecar)
            effect = "and are refused (502)" if closed else "and go to whatever address they have, as unknown traffic"
            message = (
                f"{pod.name} calls {names}, which this leaves out on port {ports}: its calls get no routes, no "
                f"policies and no mutual TLS {effect}. "
                f"Add {listed([f'{_space(sidecar, service)}/{service.name}' for service in lost])} to the hosts"
            )
            yield SIDECAR_HIDES.at(sidecar, _place(sidecar, lost), message)
            return


def _space(sidecar: Resource, service: Host) -> str:
    return "." if service.namespace == sidecar.namespace else service.namespace


def _place(sidecar: Resource, lost: list[Host]) -> Path:
    """The listener for the port of what is left out, else all of them."""
    numbers = {port.number for service in lost for port in service.ports}
    for index, listener in enumerate(sidecar.spec["egress"]):
        if listener.get("port", {}).get("number") in numbers:
            return ("spec", "egress", index, "hosts")
    return ("spec", "egress", 0, "hosts") if len(sidecar.spec["egress"]) == 1 else ("spec", "egress")


def _closed(world: World, sidecar: Resource) -> bool:
    mode = sidecar.spec.get("outboundTrafficPolicy", {}).get("mode")
    return mode == "REGISTRY_ONLY" or (mode is None and world.topology.config.registry_only)


def _pods(world: World, sidecar: Resource) -> list[Workload]:
    selector = selector_of(sidecar, "workloadSelector", "labels")
    found = world.workloads.select(selector, sidecar.namespace) if sidecar.namespace != world.root or selector else []
    return [each for each in found if not each.gateway]


def _called(world: World, pod: Workload) -> list[Host]:
    app = pod.labels.get("app", "")
    if not all(
        world.hosts.get(f"{name}.{pod.namespace}.{DOMAIN}") for name in ("productpage", "details", "reviews", "ratings")
    ):
        return []
    found = [world.hosts.get(f"{name}.{pod.namespace}.{DOMAIN}") for name in _CALLS.get(app, ())]
    return [each for each in found if each is not None]


def _sees(world: World, pod: Workload, service: Host) -> bool:
    if pod.instance is None:
        return True
    scope = world.snapshot.scope(Proxy(pod.instance))
    for port in service.ports:
        listener = scope.listener_for(port.number)
        if listener is None or not any(
            each.hostname == service.name and each.port(port.number) for each in listener.services
        ):
            return False
    return True


def _conflicts(world: World) -> Iterator[Finding]:
    """Of two Sidecars without a selector, or for one workload, the older one counts."""
    whole: dict[str, Resource] = {}
    owner: dict[int, Resource] = {}
    for sidecar in world.snapshot.of_kind("Sidecar"):
        selector = selector_of(sidecar, "workloadSelector", "labels")
        if not selector:
            first = whole.setdefault(sidecar.namespace, sidecar)
            if first is not sidecar:
                message = (
                    f"{first} ({line(first, (), sidecar)}) is for all workloads of {sidecar.namespace} too and comes "
                    "first, so that this one does not count. "
                    f"Keep one without a workloadSelector"
                )
                yield SIDECARS_CONFLICT.at(sidecar, ("spec",), message)
            continue
        for pod in world.workloads.select(selector, sidecar.namespace):
            first = owner.setdefault(id(pod), sidecar)
            if first is not sidecar:
                message = (
                    f"{first} ({line(first, (), sidecar)}) selects {pod.name} too and comes first, so that this one "
                    "does not count for it. Keep the selectors apart"
                )
                yield SIDECARS_CONFLICT.at(sidecar, ("spec", "workloadSelector"), message)
                break
