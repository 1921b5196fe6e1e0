"""TLS towards services: what a DestinationRule makes of connections, and whether the other side speaks so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis import mutual_tls
from meshtest.analysis.binding import bindings
from meshtest.analysis.catalogue import CREDENTIAL_ON_SIDECARS, DOUBLE_TLS, MODES_CONTRADICT, NOT_VERIFIED, TLS_TO_PLAIN
from meshtest.analysis.destinations import targets
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import Host, Port
from meshtest.analysis.pools import blocks
from meshtest.analysis.sentence import line
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate.host import resolved

Spec = Mapping[str, Any]
_ORIGINATING = ("SIMPLE", "MUTUAL")


def check(world: World) -> Iterator[Finding]:
    """Each `tls` of each DestinationRule."""
    for rule in world.networking("DestinationRule"):
        hosts = world.hosts.within(resolved(rule.spec["host"], rule.namespace))
        for path, tls, number in blocks(rule, "tls"):
            mode = str(tls.get("mode", "DISABLE"))
            ports = [(host, port) for host in hosts for port in host.ports if _for_port(rule, path, number, port)]
            if mode in _ORIGINATING:
                yield from _verified(rule, tls, path)
                yield from _credential(world, rule, tls, path, hosts)
                yield from _speaks(world, rule, path, ports)
            yield from _server_mode(world, rule, path, mode, ports)


def _for_port(rule: Resource, path: Path, number: int | None, port: Port) -> bool:
    """Whether the block counts for a port: one without a number leaves out those with settings of their own."""
    if number is not None:
        return port.number == number
    policy: Any = rule.body
    for key in path[:-1]:
        policy = policy[key]
    return all(each["port"].get("number") != port.number for each in policy.get("portLevelSettings", []))


def _verified(rule: Resource, tls: Spec, path: Path) -> Iterator[Finding]:
    if tls.get("insecureSkipVerify"):
        message = (
            "whoever answers is taken for the server: its certificate is not verified, and whoever is on the way "
            "can read and change the traffic. "
            "Take insecureSkipVerify away, and name the CA in caCertificates if it is no public one"
        )
        yield NOT_VERIFIED.at(rule, (*path, "insecureSkipVerify"), message)


def _credential(world: World, rule: Resource, tls: Spec, path: Path, hosts: list[Host]) -> Iterator[Finding]:
    """istiod leaves TLS away for sidecars then (`buildUpstreamClusterTLSContext` in `cluster_tls.go`)."""
    name = str(tls.get("credentialName", ""))
    if not name or name.startswith("configmap://") or "workloadSelector" in rule.spec:
        return
    names = {host.name for host in hosts}
    if any(each.spec["host"] in names and each.binding.gateways for each in targets(world)):
        return  # gateways read Secrets
    if hosts:
        message = (
            f"sidecars do not read Secrets for a rule without workloadSelector, and send to {rule.spec['host']} without TLS at all. "
            f"Add a workloadSelector, or name files (clientCertificate, caCertificates)"
        )
        yield CREDENTIAL_ON_SIDECARS.at(rule, (*path, "credentialName"), message)


def _speaks(world: World, rule: Resource, path: Path, ports: list[tuple[Host, Port]]) -> Iterator[Finding]:
    for host, port in ports:
        if port.protocol.tls and not _http_leads_to(world, host, port):
            message = (
                f"callers of {host.short} encrypt already on port {port.number} ({port.name}), and this encrypts "
                "once more, so that the handshake fails. "
                f"Take this tls away, or let callers speak HTTP on a port of protocol HTTP (such as 80 with targetPort {port.number})"
            )
            yield DOUBLE_TLS.at(rule, path, message)
            return
        if (
            port.protocol.http
            and not _tls_port(port)
            and (not host.entry or (port.number == 80 and not _ruled(world, host)))
        ):
            what = (
                "speaks plain HTTP there by its name"
                if not host.entry
                else "speaks plain HTTP there, if it does as usual"
            )
            message = (
                f"connections to port {port.number} of {host.short} are encrypted, but the server {what}, so that they fail (503, UF). "
                + (
                    "Use ISTIO_MUTUAL between workloads of the mesh"
                    if not host.entry
                    else "Set targetPort: 443 for the port, or take this tls to port 443"
                )
            )
            yield TLS_TO_PLAIN.at(rule, path, message)
            return


def _tls_port(port: Port) -> bool:
    """A server of TLS, if its number or its target's says anything."""
    return any(str(number).endswith("443") for number in (port.number, port.target)) or port.target == "https"


def _http_leads_to(world: World, host: Host, port: Port) -> bool:
    """Whether an HTTP rule sends what came in as plain HTTP to this port."""
    led = world.once(
        "HTTP to ports",
        lambda: {(each.spec["host"], _number(each.spec)) for each in targets(world) if each.section == "http"},
    )
    return (host.name, port.number) in led or ((host.name, None) in led and len(host.ports) == 1)


def _number(destination: Spec) -> int | None:
    number: int | None = (destination.get("port") or {}).get("number")
    return number


def _ruled(world: World, host: Host) -> bool:
    names = world.once(
        "hosts with HTTP rules",
        lambda: {name for each in bindings(world) if each.rules.http for name in each.rules.hosts},
    )
    return host.name in names


def _server_mode(
    world: World, rule: Resource, path: Path, mode: str, ports: list[tuple[Host, Port]]
) -> Iterator[Finding]:
    """Whether the PeerAuthentication of the servers takes what the clients send."""
    if not world.security("PeerAuthentication"):
        return
    labels = rule.spec["subsets"][path[2]].get("labels", {}) if path[1] == "subsets" else {}
    for host, port in ports:
        for pod in pods(world, host):
            if not labels.items() <= pod.labels.items():
                continue
            found = mutual_tls.mode(world, pod, target(pod, port))
            if problem := _disagreement(mode, found, host, rule):
                yield MODES_CONTRADICT.at(rule, (*path, "mode"), problem)
                return


def pods(world: World, host: Host) -> list[Workload]:
    """The pods behind a Kubernetes Service."""
    selector = host.resource.spec.get("selector") if not host.entry else None
    return [each for each in world.workloads.select(selector, host.namespace) if not each.gateway] if selector else []


def target(pod: Workload, port: Port) -> int:
    """The port on which the pod listens for a Service's port."""
    return port.target if isinstance(port.target, int) else pod.ports.get(port.target, port.number)


def _disagreement(mode: str, found: mutual_tls.Mode, host: Host, rule: Resource) -> str:
    if found.policy is None:
        return ""
    policy = f"{found.policy} ({line(found.policy, ('spec',), rule)})"
    if found.name == mutual_tls.STRICT and mode != "ISTIO_MUTUAL":
        send = "plain text" if mode == "DISABLE" else f"TLS without the mesh's certificates ({mode})"
        return (
            f"all calls of {host.short} that follow this rule fail (503, UC): it makes clients send {send}, and "
            f"{policy} demands mutual TLS (STRICT). "
            f"Write ISTIO_MUTUAL or take the tls away, or relax the PeerAuthentication"
        )
    if found.name == mutual_tls.DISABLE and mode == "ISTIO_MUTUAL":
        return (
            f"all calls of {host.short} that follow this rule fail (503, UF): it makes clients send mutual TLS, and "
            f"{policy} switches it off on the "
            f"server. Take the tls away here, or write PERMISSIVE there"
        )
    return ""
