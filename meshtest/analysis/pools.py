"""Connection pools: settings that do nothing for the protocol of a service (`cluster_traffic_policy.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import POOL_WITHOUT_EFFECT, TWO_IDLE_TIMEOUTS
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import Host, Port, listed
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate.host import resolved

Spec = Mapping[str, Any]
_ALSO_TCP = ("idleTimeout",)
_OF_HTTP2 = ("maxConcurrentStreams", "http2KeepAlive")


def check(world: World) -> Iterator[Finding]:
    """Each connectionPool, for the ports that it is for."""
    for rule in world.networking("DestinationRule"):
        hosts = world.hosts.within(resolved(rule.spec["host"], rule.namespace))
        for path, pool, number in blocks(rule, "connectionPool"):
            ports = [(host, port) for host in hosts for port in host.ports if number in (None, port.number)]
            yield from _pool(rule, pool, path, ports)


def blocks(rule: Resource, block: str) -> Iterator[tuple[Path, Spec, int | None]]:
    """Each block of this name in a DestinationRule: its path, itself, and the port that it is for, None for all."""
    policies = [(("spec", "trafficPolicy"), rule.spec.get("trafficPolicy"))]
    for index, subset in enumerate(rule.spec.get("subsets", [])):
        policies.append((("spec", "subsets", index, "trafficPolicy"), subset.get("trafficPolicy")))  # type: ignore[arg-type]
    for path, policy in policies:
        if not policy:
            continue
        if block in policy:
            yield (*path, block), policy[block], None
        for index, setting in enumerate(policy.get("portLevelSettings", [])):
            if block in setting:
                yield (*path, "portLevelSettings", index, block), setting[block], setting["port"].get("number")


def _pool(rule: Resource, pool: Spec, path: Path, ports: list[tuple[Host, Port]]) -> Iterator[Finding]:
    http, tcp = pool.get("http", {}), pool.get("tcp", {})
    if http and ports and not any(port.http for _, port in ports):
        host, port = ports[0]
        message = (
            f"{listed(sorted(http))} have no effect: port {port.number} of {host.short} carries {port.speaks}, not HTTP. "
            f"Use the limits under connectionPool.tcp, or name the port http-... if it does speak HTTP"
        )
        yield POOL_WITHOUT_EFFECT.at(rule, (*path, "http"), message)
    elif http:
        yield from _http2(rule, http, (*path, "http"), ports)
    if (
        "idleTimeout" in http
        and "idleTimeout" in tcp
        and http["idleTimeout"] != tcp["idleTimeout"]
        and any(port.http for _, port in ports)
    ):
        message = (
            f"for HTTP the idleTimeout of {http['idleTimeout']} under http counts, and this one of "
            f"{tcp['idleTimeout']} does not. Keep one"
        )
        yield TWO_IDLE_TIMEOUTS.at(rule, (*path, "tcp", "idleTimeout"), message)


def _http2(rule: Resource, http: Spec, path: Path, ports: list[tuple[Host, Port]]) -> Iterator[Finding]:
    upgrade = http.get("h2UpgradePolicy")
    speaks = [port.protocol.http2 for _, port in ports if port.http]
    used = [field for field in _OF_HTTP2 if field in http]
    if used and speaks and not any(speaks) and upgrade != "UPGRADE":
        host, port = next(pair for pair in ports if pair[1].http)
        verb = "have" if len(used) > 1 else "has"
        message = (
            f"{listed(used)} {verb} no effect: connections to port {port.number} of {host.short} are HTTP/1.1. "
            f"Name the port http2-..., or set h2UpgradePolicy: UPGRADE"
        )
        yield POOL_WITHOUT_EFFECT.at(rule, (*path, used[0]), message)
    if upgrade in ("UPGRADE", "DO_NOT_UPGRADE") and speaks and all(speaks):
        message = "h2UpgradePolicy has no effect: the port speaks HTTP/2 by its name. Take it away"
        yield POOL_WITHOUT_EFFECT.at(rule, (*path, "h2UpgradePolicy"), message)
    elif upgrade == "DO_NOT_UPGRADE" and http.get("useClientProtocol"):
        message = (
            "h2UpgradePolicy has no effect beside useClientProtocol, which takes the protocol of each caller. Keep one"
        )
        yield POOL_WITHOUT_EFFECT.at(rule, (*path, "h2UpgradePolicy"), message)
