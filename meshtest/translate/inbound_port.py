"""The ports on which a workload takes calls, by its Services or its Sidecar (`buildInboundChainConfigs` in `listener_inbound.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.topology.protocol import Protocol, parsed
from meshtest.topology.service import Port, Service
from meshtest.translate.snapshot import Proxy, Snapshot

# Ports of the sidecar's own listeners: for what is intercepted, and for its readiness and statistics (`CanBindToPort`).
_INTERCEPTED, _OWN = (15001, 15006), (15021, 15090)
_LOCALHOST, _LOCALHOST_IPV6, ANY = "127.0.0.1", "::1", "0.0.0.0"


@dataclass(frozen=True)
class InboundPort:
    """A port of a workload. `asked` is the port of the Service that leads there, or of the Sidecar's listener.

    `service` is the one whose DestinationRule counts, if any. `bind` is the address that the sidecar itself listens on, and `bound`
    whether it does; else connections are intercepted. `handed_to` is where calls go on to: None for the address that was called.
    `taken` says that a listener of the sidecar's own is in the way, so that it has a cluster and no filter chains.
    """

    number: int
    asked: int
    protocol: Protocol
    service: Service | None
    bind: str = ANY
    bound: bool = False
    handed_to: tuple[str, int] | None = None
    taken: bool = False


def inbound_ports(snapshot: Snapshot, proxy: Proxy) -> list[InboundPort]:
    """The ports by number; a Sidecar with `ingress` listeners says all of them, else the Services of the workload do.

    Where two Services lead to one port, the older one's protocol counts, then the name decides.
    """
    ingress = snapshot.scope(proxy).sidecar.get("ingress")
    targets = _targets(snapshot, proxy)
    listeners = [_of_listener(each, targets, proxy) for each in ingress or ()]
    found = listeners or [_of_service(*each) for each in targets]
    return sorted({each.number: each for each in reversed(found)}.values(), key=lambda each: each.number)


def _targets(snapshot: Snapshot, proxy: Proxy) -> list[tuple[Service, Port, int]]:
    """The ports of Services that lead to ports of the workload (`SetServiceTargets`): the oldest Service first, then by name."""
    found = [*_of_services(snapshot, proxy), *_of_entries(snapshot).get((proxy.namespace, proxy.instance.address), ())]
    return sorted(found, key=lambda each: (_created(each[0]), each[0].hostname))


def _created(service: Service) -> str:
    """The Services of Kubernetes are there before a ServiceEntry is applied, where nothing else is said."""
    created = service.resource.body["metadata"].get("creationTimestamp")
    return str(created or ("~" if service.entry else ""))


def _of_services(snapshot: Snapshot, proxy: Proxy) -> Iterator[tuple[Service, Port, int]]:
    instance = proxy.instance
    for service in snapshot.topology.services:
        if service.namespace == instance.namespace and service.selects(instance.labels):
            for port in service.ports:
                target = port.target if isinstance(port.target, int) else instance.ports.get(port.target)
                if target is not None:
                    yield service, port, target


_ByAddress = Mapping[tuple[str, str], list[tuple[Service, Port, int]]]


def _of_entries(snapshot: Snapshot) -> _ByAddress:
    """Ports of ServiceEntries by the namespace and address of what stands behind them (`GetProxyServiceTargets`)."""
    return snapshot.once("inbound ports of entries", lambda: _behind_entries(snapshot))


def _behind_entries(snapshot: Snapshot) -> _ByAddress:
    out: dict[tuple[str, str], list[tuple[Service, Port, int]]] = {}
    for service in snapshot.registry.services:
        for port in service.ports if service.entry else ():
            for each in snapshot.registry.behind(service, port):
                out.setdefault((service.namespace, each.address), []).append((service, port, each.port))
    return out


def _of_service(service: Service, port: Port, number: int) -> InboundPort:
    return InboundPort(number, port.number, port.protocol, service, taken=number in (*_INTERCEPTED, *_OWN))


def _of_listener(given: Mapping[str, Any], targets: list[tuple[Service, Port, int]], proxy: Proxy) -> InboundPort:
    number = given["port"]["number"]
    bound = given.get("captureMode") == "NONE"
    address, bind = proxy.instance.address, given.get("bind", "")
    protocol = parsed(given["port"].get("protocol", ""))
    return InboundPort(
        number,
        number,
        protocol,
        next((service for service, _, target in targets if target == number), None),
        bind or address,
        bound,
        _handed_to(given.get("defaultEndpoint", ""), address),
        taken=number in _OWN and (bind == ANY or (not bind and protocol.http)),
    )


def _handed_to(endpoint: str, address: str) -> tuple[str, int] | None:
    """Where a `defaultEndpoint` leads: this host, or the workload's own address (`buildInboundClustersFromSidecar`)."""
    host, _, port = endpoint.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host:
        return None
    ipv6 = ":" in address
    chosen = {
        _LOCALHOST: _LOCALHOST_IPV6 if ipv6 else _LOCALHOST,
        _LOCALHOST_IPV6: _LOCALHOST_IPV6 if ipv6 else _LOCALHOST,
        ANY: _LOCALHOST if ipv6 else address,
        "::": address if ipv6 else _LOCALHOST_IPV6,
    }
    return chosen[host], int(port)
