"""Services and ServiceEntries: protocols, pods, endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import (
    ENTRIES_DISAGREE,
    ENTRY_PROTOCOL,
    ENTRY_SELECTS_NOTHING,
    ENTRY_SHADOWS_SERVICE,
    ENTRY_TAKES_PORT,
    ENTRY_WITHOUT_ENDPOINTS,
    PORT_WITHOUT_PROTOCOL,
    PORTS_SHARE_NAME,
    PROTOCOLS_DISAGREE,
    RESOLUTIONS_DISAGREE,
    SERVICE_SELECTS_NOTHING,
    UNKNOWN_TARGET_PORT,
    WORKLOAD_UNUSED,
)
from meshtest.analysis.client_tls import pods, target
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import Host, Port, listed
from meshtest.analysis.pools import blocks
from meshtest.analysis.sentence import line
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.resource import Resource
from meshtest.topology.protocol import Protocol
from meshtest.translate.host import resolved

Spec = Mapping[str, Any]


def check(world: World) -> Iterator[Finding]:
    """Each Service that was given, each ServiceEntry and each WorkloadEntry."""
    given = {each.key for each in world.given if each.kind == "Service"}
    for host in world.hosts.all:
        if not host.entry and host.resource.key in given:
            yield from _service(world, host)
    yield from _shared_pods(world, given)
    for entry in world.networking("ServiceEntry"):
        yield from _entry(world, entry)
    yield from _entries_together(world)
    yield from _resolutions(world)
    yield from _names_of_ports(world)
    for machine in world.networking("WorkloadEntry"):
        yield from _machine(world, machine)


def _service(world: World, host: Host) -> Iterator[Finding]:
    if not _gateway(world, host) and host.namespace != world.root:
        for port in host.ports:
            yield from _named(host, port)
    if host.resource.spec.get("selector") and world.pods_known:
        found = pods(world, host) or world.workloads.select(host.resource.spec["selector"], host.namespace)
        yield from _without_pods(world, host) if not found else _target_ports(host, found)


def _gateway(world: World, host: Host) -> bool:
    selector = host.resource.spec.get("selector") or {}
    return str(selector.get("istio", "")).endswith("gateway") or any(
        pod.gateway for pod in world.workloads.select(selector, host.namespace) if selector
    )


def _named(host: Host, port: Port) -> Iterator[Finding]:
    if port.protocol is not Protocol.SNIFFED:
        return
    given = host.resource.spec["ports"][port.path[-1]].get("appProtocol")
    if given:
        what = f"the appProtocol {given} is not one that Istio knows"
        remedy = "Write http, grpc, tcp or another that it knows"
    else:
        what = f"the port's name ({port.name}) begins with no protocol" if port.name else "the port has no name"
        remedy = f"Name it http{'-' + port.name if port.name else ''} (or grpc-, tcp-...), or set appProtocol"
    message = (
        f"{what}, so that the protocol of port {port.number} is guessed from the first bytes of each connection, and "
        "HTTP rules count only where the guess says HTTP. "
        f"{remedy}"
    )
    yield PORT_WITHOUT_PROTOCOL.at(host.resource, (*port.path, *(["name"] if port.name and not given else [])), message)


def _without_pods(world: World, host: Host) -> Iterator[Finding]:
    selector = host.resource.spec["selector"]
    text = ", ".join(f"{key}={value}" for key, value in selector.items())
    there = sorted(
        {
            f"{key}={each.labels[key]}"
            for each in world.workloads.by_namespace.get(host.namespace, [])
            for key in selector
            if key in each.labels
        }
    )
    hint = f"; in {host.namespace} there are {listed(there, 6)}" if there else ""
    message = (
        f"no pod has the labels {text}, so that calls of {host.short} get 503 (UH){hint}. Write the labels of the pods"
    )
    yield SERVICE_SELECTS_NOTHING.at(host.resource, ("spec", "selector"), message)


def _target_ports(host: Host, found: list[Workload]) -> Iterator[Finding]:
    for port in host.ports:
        if (
            isinstance(port.target, str)
            and port.protocol is not Protocol.UDP
            and not any(port.target in pod.ports for pod in found)
        ):
            names = sorted({name for pod in found for name in pod.ports})
            has = f"; they have {listed(names)}" if names else ", or any with a name"
            message = (
                f"no container of the pods has a port called {port.target}{has}, so that port {port.number} of "
                f"{host.short} has no endpoint and calls get 503 (UH). "
                f"Write the name or the number of a container port"
            )
            yield UNKNOWN_TARGET_PORT.at(host.resource, (*port.path, "targetPort"), message)


def _shared_pods(world: World, given: set[tuple[str, str, str, str]]) -> Iterator[Finding]:
    """One port of a pod behind Services that give it different protocols: the inbound listener has one (IST0116)."""
    told: set[tuple[str, str]] = set()
    concerned = [host for host in world.hosts.all if not host.entry and host.resource.key in given]
    for host in concerned:
        for pod in pods(world, host)[:1]:
            for other in world.services_of(pod):
                if other is host or (other.name, host.name) in told:
                    continue
                told.add((host.name, other.name))
                yield from _two_protocols(pod, host, other)


def _two_protocols(pod: Workload, host: Host, other: Host) -> Iterator[Finding]:
    for port in host.ports:
        for its in other.ports:
            if (
                target(pod, port) == target(pod, its)
                and port.http != its.http
                and Protocol.UDP not in (port.protocol, its.protocol)
            ):
                message = (
                    f"port {target(pod, port)} of the pods is {port.speaks} by this Service and {its.speaks} by {other.resource} "
                    f"({line(other.resource, its.path, host.resource)}), and the sidecar reads it in one way only. "
                    "Give both the same protocol"
                )
                yield PROTOCOLS_DISAGREE.at(host.resource, port.path, message)
                return


def _entry(world: World, entry: Resource) -> Iterator[Finding]:
    spec = entry.spec
    hosts = listed(spec.get("hosts", []))
    resolution = spec.get("resolution", "NONE")
    if resolution == "STATIC" and not spec.get("endpoints") and "workloadSelector" not in spec:
        message = (
            f"with resolution STATIC the endpoints must be listed, and there are none, so that calls of {hosts} get 503 (UH). "
            f"Add endpoints or a workloadSelector, or write resolution: DNS"
        )
        yield ENTRY_WITHOUT_ENDPOINTS.at(entry, ("spec", "resolution" if "resolution" in spec else "hosts"), message)
    if "workloadSelector" in spec:
        yield from _selected(world, entry, hosts)
    for index, port in enumerate(spec.get("ports", [])):
        yield from _entry_port(world, entry, port, index, resolution)
    for index, name in enumerate(spec.get("hosts", [])):
        own = world.hosts.get(name)
        if own is not None and not own.entry:
            message = (
                f"{own.resource} has this name already: sidecars get two definitions of one host, and which ports "
                "and endpoints count is not certain. "
                f"Use another name, or add endpoints to the Service"
            )
            yield ENTRY_SHADOWS_SERVICE.at(entry, ("spec", "hosts", index), message)


def _selected(world: World, entry: Resource, hosts: str) -> Iterator[Finding]:
    selector = selector_of(entry, "workloadSelector", "labels")
    machines = bool(world.networking("WorkloadEntry"))
    if selector and (machines or world.pods_known) and not world.workloads.select(selector, entry.namespace):
        text = ", ".join(f"{key}={value}" for key, value in selector.items())
        message = (
            f"no WorkloadEntry and no pod in {entry.namespace} has the labels {text}, so that calls of {hosts} get "
            "503 (UH). Write labels that they have"
        )
        yield ENTRY_SELECTS_NOTHING.at(entry, ("spec", "workloadSelector"), message)


_PLAIN = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


def _entry_port(world: World, entry: Resource, port: Spec, index: int, resolution: str) -> Iterator[Finding]:
    path = ("spec", "ports", index)
    number, protocol = port.get("number", 0), str(port.get("protocol") or "").upper()
    if not entry.spec.get("addresses") and resolution == "NONE" and protocol in ("", "TCP"):
        message = (
            f"without addresses this takes all TCP traffic to port {number}, to whatever address, for "
            f"{listed(entry.spec.get('hosts', []))}. "
            f"Add addresses, or a protocol that carries the host (HTTP, TLS)"
        )
        yield ENTRY_TAKES_PORT.at(entry, path, message)
    elif not protocol:
        message = (
            "the port has no protocol, so that it is guessed from the first bytes of each connection, and rules for "
            "HTTP or TLS count only where the guess says so. "
            "Write protocol: HTTP, TLS or TCP"
        )
        yield PORT_WITHOUT_PROTOCOL.at(entry, path, message)
    if number == 443 and protocol in _PLAIN and not _encrypted(world, entry, number):
        message = (
            f"port 443 is read as plain {protocol} here, but callers that speak HTTPS send TLS, which is then no HTTP and fails. "
            f"Write protocol: TLS (or HTTPS), or let a DestinationRule encrypt (tls.mode SIMPLE) what callers send in plain"
        )
        yield ENTRY_PROTOCOL.at(entry, (*path, "protocol"), message)
    if number == 80 and protocol in ("HTTPS", "TLS"):
        message = (
            "callers speak plain HTTP on port 80, which a port of TLS does not understand: rules by host do not "
            "count. Write protocol: HTTP"
        )
        yield ENTRY_PROTOCOL.at(entry, (*path, "protocol"), message)


def _encrypted(world: World, entry: Resource, number: int) -> bool:
    """Whether some DestinationRule originates TLS on the port, so that callers speak plain HTTP on purpose."""
    hosts = entry.spec.get("hosts", [])
    for rule in world.networking("DestinationRule"):
        name = resolved(rule.spec["host"], rule.namespace)
        if any(host == name or (name.startswith("*") and host.endswith(name[1:])) for host in hosts) and any(
            tls.get("mode") in ("SIMPLE", "MUTUAL") and own in (None, number) for _, tls, own in blocks(rule, "tls")
        ):
            return True
    return False


def _entries_together(world: World) -> Iterator[Finding]:
    first: dict[tuple[str, int], Host] = {}
    for host in world.hosts.all:
        for port in host.ports if host.entry else ():
            other = first.setdefault((host.name, port.number), host)
            its = other.port(port.number)
            if other.resource is not host.resource and its and its.protocol != port.protocol and _meet(host, other):
                message = (
                    f"port {port.number} of {host.name} is {port.speaks} here and {its.speaks} by {other.resource} "
                    f"({line(other.resource, its.path, host.resource)}), and one of the two counts. Give both the same protocol"
                )
                yield ENTRIES_DISAGREE.at(host.resource, port.path, message)


def _resolutions(world: World) -> Iterator[Finding]:
    """Of two in a namespace the older says how the host is resolved, and the endpoints of both are called."""
    first: dict[tuple[str, str], Host] = {}
    for host in world.hosts.all:
        other = first.setdefault((host.name, host.namespace), host) if host.entry else host
        resolution = host.resource.spec.get("resolution", "NONE")
        if other.resource is host.resource or resolution == other.resource.spec.get("resolution", "NONE"):
            continue
        message = (
            f"{other.resource} ({line(other.resource, ('spec',), host.resource)}) resolves {host.name} too, by "
            f"{other.resource.spec.get('resolution', 'NONE')}: the older of the two counts for both, and the endpoints of the other are "
            "called in a way that was not meant, or not at all. Put the two into one"
        )
        yield RESOLUTIONS_DISAGREE.at(host.resource, ("spec", "resolution"), message)


def _names_of_ports(world: World) -> Iterator[Finding]:
    """Endpoints with addresses belong to the name of a port, of all entries for the host in a namespace."""
    first: dict[tuple[str, str, str], tuple[Host, Port]] = {}
    for host in world.hosts.all:
        for port in host.ports if host.entry and host.resource.spec.get("resolution") == "STATIC" else ():
            other, its = first.setdefault((host.name, host.namespace, port.name), (host, port))
            if other.resource is not host.resource and its.number != port.number:
                message = (
                    f"{other.resource} ({line(other.resource, its.path, host.resource)}) calls port {its.number} of {host.name} "
                    f"{port.name} too, and endpoints go by this name: calls of either port go to the endpoints of both. "
                    "Give each port a name of its own"
                )
                yield PORTS_SHARE_NAME.at(host.resource, (*port.path, "name"), message)


def _meet(one: Host, other: Host) -> bool:
    return "*" in one.exported_to | other.exported_to or bool(one.exported_to & other.exported_to)


def _machine(world: World, machine: Resource) -> Iterator[Finding]:
    """A WorkloadEntry that no Service and no ServiceEntry selects gets no traffic."""
    own = next(
        (
            each
            for each in world.workloads.by_namespace.get(machine.namespace, [])
            if not each.known and each.name == machine.name
        ),
        None,
    )
    if own is None or world.services_of(own):
        return
    for entry in world.networking("ServiceEntry"):
        selector = selector_of(entry, "workloadSelector", "labels")
        if (
            entry.namespace == machine.namespace
            and "workloadSelector" in entry.spec
            and selector.items() <= own.labels.items()
        ):
            return
    labels = ", ".join(f"{key}={value}" for key, value in own.labels.items()) or "none"
    message = (
        f"no ServiceEntry and no Service in {machine.namespace} selects this workload (labels: {labels}), so that it gets no traffic. "
        f"Add a ServiceEntry with such a workloadSelector"
    )
    yield WORKLOAD_UNUSED.at(machine, ("spec",), message)
