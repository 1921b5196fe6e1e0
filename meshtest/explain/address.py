"""The address behind a name, as a pod's resolver finds it, and the listener that takes a call to it."""

from __future__ import annotations

from ipaddress import ip_network

from meshtest.resources.name import address
from meshtest.topology.service import DOMAIN, Service
from meshtest.translate.filter_chain import ANY_ADDRESS
from meshtest.translate.host import most_specific
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Snapshot

VIRTUAL_OUTBOUND = "virtualOutbound"


def service_named(snapshot: Snapshot, namespace: str, host: str) -> Service | None:
    """The Service of a name (through the search domains of a pod in `namespace`), or of its address; of ServiceEntries too."""
    services = snapshot.registry.services
    if address(host):
        return next((each for each in services if each.address == host), None)
    by_host = snapshot.registry.by_host
    for name in _searched(host, namespace):
        found = most_specific(name, by_host) if name == host else name if name in by_host else None
        if found:
            known = by_host[found]
            return known.get(namespace) or next(iter(known.values()))
    return None


def _searched(host: str, namespace: str) -> list[str]:
    name = host.lower().removesuffix(".")
    return [f"{name}.{namespace}.{DOMAIN}", f"{name}.{DOMAIN}", f"{name}.{DOMAIN.partition('.')[2]}", name]


def address_of(snapshot: Snapshot, namespace: str, host: str) -> str:
    """The address to which a pod opens a connection; empty for a host outside, whose address nobody here knows.

    Of a Service without an address it is that of a pod; of a range the first, since any would do.
    """
    if address(host):
        return host
    service = service_named(snapshot, namespace, host)
    if service is None:
        return _pod(snapshot, namespace, host)
    if "/" in service.address:
        return str(ip_network(service.address, strict=False).network_address)
    if service.address or service.entry:
        return "" if service.address == ANY_ADDRESS else service.address
    behind = [each.address for port in service.ports for each in snapshot.endpoints(service, port.number)]
    return next(iter(behind), "")


def _pod(snapshot: Snapshot, namespace: str, host: str) -> str:
    """The address of a pod by its name behind a Service without an address, such as `mysql-0.mysql`."""
    pod, _, rest = host.partition(".")
    service = service_named(snapshot, namespace, rest) if rest else None
    if service is None or service.address:
        return ""
    instances = (each for each in snapshot.topology.instances if each.name == pod and service.selects(each.labels))
    return next((each.address for each in instances), "")


def outbound_listener(config: ProxyConfig, destination: str, port: int) -> str:
    """The listener that takes an intercepted call: of the very address, else of the port on any, else the one for the rest."""
    own, shared = f"{destination}_{port}", f"{ANY_ADDRESS}_{port}"
    if destination and own in config.listeners:
        return own
    return shared if shared in config.listeners else VIRTUAL_OUTBOUND
