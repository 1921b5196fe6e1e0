"""Which stand-ins the hosts outside need: one for each endpoint that is nobody's in the topology. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshtest.meshes.local.cluster_dns import service_named
from meshtest.resources.name import address
from meshtest.topology.endpoint import Endpoint
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Port, Resolution, Service
from meshtest.topology.topology import Topology
from meshtest.translate.destination_rule import policies
from meshtest.translate.snapshot import Snapshot

HTTPS = 443


@dataclass(frozen=True)
class Outside:
    """A port of a host outside. `tls` says that it speaks TLS, `lines` that it may speak other than HTTP.

    `names` are what its certificate is for, beside the name that is asked for; `version` is the label of its endpoint.
    """

    host: str
    port: int
    tls: bool
    lines: bool
    names: tuple[str, ...] = ()
    version: str = ""

    @property
    def speech(self) -> str:
        """The word for what it speaks (`meshtest.bookinfo.plan`)."""
        if self.tls:
            return "tls" if self.lines else "https"
        return "any" if self.lines else "http"

    def merged(self, other: Outside) -> Outside:
        """The same port as another Service sees it too."""
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        return replace(self, tls=self.tls or other.tls, lines=self.lines or other.lines, names=names)


def hosts_outside(snapshot: Snapshot) -> dict[tuple[str, int], Outside]:
    """The stand-ins that the ServiceEntries and WorkloadEntries in force need, by host and port."""
    out: dict[tuple[str, int], Outside] = {}
    for service in _concerned(snapshot):
        for port in service.ports:
            for each in _of(snapshot, service, port) if port.protocol is not Protocol.UDP else ():
                key = (each.host, each.port)
                out[key] = out[key].merged(each) if key in out else each
    return out


def original_destination(service: Service, port: Port) -> tuple[str, int]:
    """The host and port that stand for all to which connections pass as they are."""
    return (service.hostname, int(port.target))


def _concerned(snapshot: Snapshot) -> Iterator[Service]:
    machines = bool(snapshot.of_kind("WorkloadEntry"))  # a Service of Kubernetes selects them too
    if machines or snapshot.of_kind("ServiceEntry"):
        yield from (each for each in snapshot.registry.services if each.entry or machines)


def _of(snapshot: Snapshot, service: Service, port: Port) -> Iterator[Outside]:
    topology = snapshot.topology
    for each in snapshot.endpoints(service, port.number):
        if not _within(topology, each, service.namespace):
            yield _outside(service, port, each.address, each.port, each.labels.get("version", ""))
    if service.entry and (service.resolution is Resolution.NONE or _passes_through(snapshot)):
        yield _outside(service, port, *original_destination(service, port))


def _within(topology: Topology, endpoint: Endpoint, namespace: str) -> bool:
    known = endpoint.address in topology.by_address
    return known or not endpoint.address or service_named(topology, endpoint.address, namespace) is not None


def _passes_through(snapshot: Snapshot) -> bool:
    """Whether a rule says that connections go on to where they were going."""
    found = (policy for rule in snapshot.of_kind("DestinationRule") for policy in policies(rule.spec))
    return any(policy.get("loadBalancer", {}).get("simple") == "PASSTHROUGH" for policy in found)


def _outside(service: Service, port: Port, host: str, number: int, version: str = "") -> Outside:
    names = tuple(dict.fromkeys((service.hostname, *service.subject_alt_names)))
    return Outside(
        host,
        number,
        tls=port.protocol.tls or number == HTTPS,
        lines=not port.protocol.http and port.protocol is not Protocol.HTTPS,
        names=names if not address(host) else (*names, host),
        version=version,
    )
