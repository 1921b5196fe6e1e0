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
class Site:
    """One instance on loopback: an address, and a port for each of its purposes, chosen when first asked for and kept."""

    instance: Instance
    address: str
    ports: Ports
    chosen: dict[str, int] = field(default_factory=dict)

    def at(self, purpose: str) -> Address:
        """The address and port for a purpose."""
        if purpose not in self.chosen:
            self.chosen[purpose] = self.ports.port(self.address)
        return (self.address, self.chosen[purpose])

    @property
    def readiness(self) -> Address:
        """Where the proxy answers /healthz/ready (15021 in a cluster)."""
        return self.at("readiness")

    def listener(self, name: str) -> Address:
        """Where a listener of the proxy stands, by its name such as `0.0.0.0_9080`."""
        return self.at(f"listener {name}")

    def inbound(self, port: int) -> Address:
        """Where the sidecar takes calls to a port of its workload."""
        return self.at(f"inbound {port}")

    @property
    def inbound_ports(self) -> list[int]:
        """The ports of the workload for which the sidecar has such a place."""
        return sorted(int(each.removeprefix("inbound ")) for each in self.chosen if each.startswith("inbound "))

    def workload(self, port: int) -> Address:
        """Where the workload itself listens."""
        return self.at(f"workload {port}")

    @property
    def nowhere(self) -> Address:
        """An address at which connections are refused."""
        return (self.address, 1)


@dataclass
class Sites:
    """All of them, and the one place that stands for every host outside."""

    by_address: dict[str, Site]
    outside: Address

    @property
    def apart(self) -> bool:
        """Whether each instance has an address of its own."""
        return len({site.address for site in self.by_address.values()}) == len(self.by_address)

    def endpoint(self, address: str, port: int) -> Address:
        """Where calls to a virtual pod address go: to the instance's proxy."""
        site = self.by_address[address]
        if site.instance.gateway:
            return site.readiness if port == 15021 else site.listener(f"0.0.0.0_{port}")
        return site.inbound(port) if f"inbound {port}" in site.chosen else site.nowhere


def sites(instances: tuple[Instance, ...], ports: Ports) -> Sites:
    """A site for each instance, by its virtual address."""
    own = {instance.address: Site(instance, ports.address(), ports) for instance in instances}
    outside = ports.address()
    return Sites(own, (outside, ports.port(outside)))
