"""Where each instance, its sidecar's listeners and the hosts outside stand on loopback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from meshtest.topology.instance import Instance

Address = tuple[str, int]


class Ports(Protocol):
    """Hands out addresses and free ports."""

    def address(self) -> str:
        """An address."""

    def port(self, address: str) -> int:
        """A free port of it."""


@dataclass
class Place:
    """An address of loopback, and a port of it for each purpose, chosen when first asked for and kept."""

    address: str
    ports: Ports
    chosen: dict[str, int] = field(default_factory=dict)

    def at(self, purpose: str) -> Address:
        """The address and port for a purpose."""
        if purpose not in self.chosen:
            self.chosen[purpose] = self.ports.port(self.address)
        return (self.address, self.chosen[purpose])


@dataclass
class Site:
    """One instance on loopback."""

    instance: Instance
    place: Place

    @property
    def address(self) -> str:
        """Its address."""
        return self.place.address

    @property
    def readiness(self) -> Address:
        """Where the proxy answers /healthz/ready (15021 in a cluster)."""
        return self.place.at("readiness")

    def listener(self, name: str) -> Address:
        """Where a listener of the proxy stands, by its name such as `0.0.0.0_9080`."""
        return self.place.at(f"listener {name}")

    def inbound(self, port: int) -> Address:
        """Where the sidecar takes calls to a port of its workload."""
        return self.place.at(f"inbound {port}")

    def takes(self, port: int) -> bool:
        """Whether the sidecar takes calls to a port."""
        return f"inbound {port}" in self.place.chosen

    @property
    def inbound_ports(self) -> list[int]:
        """The ports of the workload for which the sidecar has such a place."""
        chosen = self.place.chosen
        return sorted(int(each.removeprefix("inbound ")) for each in chosen if each.startswith("inbound "))

    def workload(self, port: int) -> Address:
        """Where the workload itself listens."""
        return self.place.at(f"workload {port}")

    @property
    def nowhere(self) -> Address:
        """An address at which connections are refused."""
        return (self.address, 1)


@dataclass
class Sites:
    """All of them, the hosts outside that are known by name or address, and the one place that stands for every other host."""

    by_address: dict[str, Site]
    outside: Address
    ports: Ports
    hosts: dict[str, Place] = field(default_factory=dict)

    @property
    def apart(self) -> bool:
        """Whether each instance has an address of its own."""
        return len({site.address for site in self.by_address.values()}) == len(self.by_address)

    def endpoint(self, address: str, port: int) -> Address:
        """Where calls to a host (an address or a name) go: of an instance to its proxy, else to the stand-in outside."""
        site = self.by_address.get(address)
        if site is None:
            return self.host(address, port)
        if site.instance.gateway:
            return site.readiness if port == 15021 else site.listener(f"0.0.0.0_{port}")
        return site.inbound(port) if site.takes(port) else site.nowhere

    def host(self, name: str, port: int) -> Address:
        """Where the stand-in for a port of a host outside stands; each host has an address of its own."""
        if name not in self.hosts:
            self.hosts[name] = Place(self.ports.address(), self.ports)
        return self.hosts[name].at(str(port))


def sites(instances: tuple[Instance, ...], ports: Ports) -> Sites:
    """A site for each instance, by its virtual address."""
    own = {instance.address: Site(instance, Place(ports.address(), ports)) for instance in instances}
    outside = ports.address()
    return Sites(own, (outside, ports.port(outside)), ports)
