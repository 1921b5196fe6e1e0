"""Calls that a sidecar does not know and lets out as they are: where they go, and names that nobody has."""

from __future__ import annotations

from meshtest.explain.address import service_named
from meshtest.explain.connection import Connection
from meshtest.explain.hop import End
from meshtest.resources.name import address
from meshtest.resources.schema import nearest
from meshtest.topology.service import DOMAIN
from meshtest.translate.snapshot import Snapshot


def passed_through(snapshot: Snapshot, connection: Connection, failed: int) -> End:
    """A connection goes on to the address that was called; `failed` is the status of a request if nothing answers there."""
    where = f"it goes on as it is to {connection.address or 'the address of its host'}:{connection.port}"
    for service in snapshot.topology.services:
        if service.address == connection.address:
            numbers = [port.number for port in service.ports]
            if connection.port not in numbers:
                ports = ", ".join(map(str, numbers))
                return End(
                    False,
                    f"{where}, where nothing answers: the Service {service.hostname} has the ports {ports}",
                    failed,
                    "UF",
                )
            says = f"{where}, the Service {service.hostname}, which this proxy does not know: no rule counts"
            return End(True, says)
    return End(True, f"{where}: no rule is for it")


def not_found(snapshot: Snapshot, namespace: str, host: str) -> str:
    """Why a pod's resolver does not find a name that only the cluster could know; empty if it does, or others may know it."""
    within = "." not in host or host.removesuffix(".").endswith(f".{DOMAIN}")
    if address(host) or not within or service_named(snapshot, namespace, host):
        return ""
    known = {each.name: each.hostname for each in snapshot.registry.services}
    return f"the name {host} is not found: there is no such Service{nearest(host.partition('.')[0], known)}"
