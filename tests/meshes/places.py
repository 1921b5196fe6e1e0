"""Addresses and ports that are only written down, for tests without processes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from meshtest.meshes.local.site import Sites, sites
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.translate.inbound_port import inbound_ports
from meshtest.translate.snapshot import Proxy, Snapshot


class Numbered:
    """Hands out 127.9.9.1, 127.9.9.2... and ports from 20000, each once."""

    def __init__(self) -> None:
        self._addresses, self._ports = count(1), count(20000)

    def address(self) -> str:
        """The next address."""
        return f"127.9.9.{next(self._addresses)}"

    def port(self, address: str) -> int:
        """The next port."""
        assert address.startswith("127.9.9.")
        return next(self._ports)


class Written:
    """Certificates that are only written down: by their secrets and what they are for."""

    def pair(self, secret: str, instance: Instance, hosts: Sequence[str]) -> tuple[str, str]:
        """The secret's name, and the hosts or the instance."""
        return f"certificate {secret} for {', '.join(hosts) or instance.name}", f"key {secret}"

    def root(self, secret: str, instance: Instance) -> str:
        """The secret's name."""
        return f"authority {secret}"


def placed(topology: Topology) -> Sites:
    """Places for all instances, with the ports of their workloads."""
    found = sites(topology.instances, Numbered())
    for site in found.by_address.values():
        if not site.instance.gateway:
            for port in inbound_ports(Snapshot(topology, ()), Proxy(site.instance)):
                site.inbound(port.number)
    return found
