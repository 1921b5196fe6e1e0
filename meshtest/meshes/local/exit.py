"""Which outbound listener of a sidecar takes a call: what interception does in a cluster. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.translate.outbound_route import service_domains
from meshtest.translate.proxy_config import ProxyConfig


def listener_for(topology: Topology, instance: Instance, config: ProxyConfig, authority: str) -> str:
    """The listener for calls to `host[:port]`: the Service's address, else its port on any, else the one for the rest."""
    parts = urlsplit(f"//{authority}")
    host, port = parts.hostname or "", parts.port or 80
    for service in topology.services:
        if host in service_domains(service, instance.namespace)[0]:
            own = f"{service.address}_{port}"
            if own in config.listeners:
                return own
    shared = f"0.0.0.0_{port}"
    return shared if shared in config.listeners else "virtualOutbound"
