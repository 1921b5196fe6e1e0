"""What the process behind all sidecars is to run: a stand-in for each workload, and for each host outside. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshtest.meshes.local.exit import listener_of
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.outside import Outside, hosts_outside
from meshtest.meshes.local.site import Address, Site, Sites
from meshtest.meshes.stand_in import ECHO, LINES, certified, containers, kind_of, prefix, speech
from meshtest.topology.instance import Instance
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import DOMAIN
from meshtest.topology.topology import Topology
from meshtest.translate.inbound_port import inbound_ports
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

REST = "outside"  # the name of the stand-in for all hosts that nobody names


def workloads(topology: Topology, sites: Sites) -> dict[str, Json]:
    """The stand-ins for workloads as the topology alone has them, and for the rest of the world; by name."""
    snapshot = Snapshot(topology, ())
    out = {REST: {"name": REST, "workload": REST, "kind": "external", "listen": [[*sites.outside, "all"]]}}
    for site in sites.by_address.values():
        ports = () if site.instance.gateway else inbound_ports(snapshot, Proxy(site.instance))
        if ports:
            listen = [_listen(site, each.number, each.protocol) for each in ports]
            made = {**_instance(site.instance), "listen": listen, "certified": certified(site.instance, ports)}
            out[made["name"]] = made
    return out


def additional(snapshot: Snapshot, sites: Sites) -> dict[str, Json]:
    """What the resources in force add: ports of workloads that only they name, and hosts outside; by name."""
    out: dict[str, Json] = {}
    if any(snapshot.of_kind(kind) for kind in ("Sidecar", "ServiceEntry")):
        for site in sites.by_address.values():
            for name, each in _more_ports(snapshot, site):
                out[name] = each
    for host in hosts_outside(snapshot).values():
        made = _outside(host, sites.host(host.host, host.port))
        out[made["name"]] = made
    return out


def speaks_tls(stand_in: Json) -> bool:
    """Whether it cannot do without certificates."""
    return any(word in ("https", "tls") for *_, word in stand_in["listen"])


def upstreams(grounds: Grounds) -> dict[str, list[Any]]:
    """Where a workload reaches each Service by each of its names, as `host:port`."""
    out: dict[str, list[Any]] = {}
    namespace = grounds.site.instance.namespace
    for service in grounds.snapshot.topology.services:
        short = f"{service.name}.{service.namespace}"
        names = [short, f"{short}.svc", f"{short}.{DOMAIN}"]
        names += [service.name] if service.namespace == namespace else []
        for port in service.ports:
            if port.protocol is not Protocol.UDP and (listener := listener_of(grounds, service, port.number)):
                address = list(grounds.site.listener(listener))
                out |= {f"{name}:{port.number}": address for name in names}
    return out


def _instance(instance: Instance) -> Json:
    kind = kind_of(instance)
    return {
        "name": instance.full_name,
        "podname": instance.name,
        "workload": instance.workload,
        "app": instance.app,
        "version": instance.version or "",
        "namespace": instance.namespace,
        "kind": ECHO if kind == LINES else kind,
        "prefix": prefix(instance),
        "env": dict(instance.env),
    }


def _listen(site: Site, number: int, protocol: Protocol) -> list[Any]:
    return [*site.workload(number), speech(kind_of(site.instance), protocol)]


def _more_ports(snapshot: Snapshot, site: Site) -> Iterator[tuple[str, Json]]:
    """A ServiceEntry that selects a pod, and a Sidecar, say that it listens on a port, unless its containers list others; of a
    `defaultEndpoint` only containers say so."""
    instance = site.instance
    if instance.gateway or kind_of(instance) != ECHO:
        return
    known = {each.number for each in inbound_ports(Snapshot(snapshot.topology, ()), Proxy(instance))}
    declared = {port.get("containerPort") for each in containers(instance) for port in each.get("ports") or []}
    for each in inbound_ports(snapshot, Proxy(instance)):
        number = each.handed_to[1] if each.handed_to else each.number
        if number not in known and (number in declared or (not declared and each.handed_to is None)):
            known.add(number)
            name = f"{instance.full_name}:{number}"
            listen = [_listen(site, number, each.protocol)]
            yield (
                name,
                {
                    **_instance(instance),
                    "name": name,
                    "pod": instance.full_name,
                    "listen": listen,
                    "certified": certified(instance, [each]),
                },
            )


def _outside(outside: Outside, address: Address) -> Json:
    return {
        "name": f"{outside.host}:{outside.port}",
        "podname": outside.host,
        "workload": outside.host,
        "version": outside.version,
        "kind": "external",
        "listen": [[*address, outside.speech]],
        "certified": list(outside.names),
    }
