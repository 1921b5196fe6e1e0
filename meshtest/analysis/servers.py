"""Gateways: pods that run them, ports that are open, certificates that are there, servers that get along."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.binding import bindings
from meshtest.analysis.catalogue import (
    GATEWAY_PORT_CLOSED,
    GATEWAY_SELECTS_NOTHING,
    NOTHING_BEHIND_SERVER,
    PROTOCOL_AGAINST_PORT,
    REDIRECT_TO_NOWHERE,
    SERVER_TLS_IGNORED,
    SERVERS_CONFLICT,
    SHARED_CERTIFICATE,
    UNKNOWN_CREDENTIAL,
)
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.gateway import Gateway, Server, gateways
from meshtest.analysis.host import listed
from meshtest.analysis.sentence import line
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.translate import gateway_server
from meshtest.translate.gateway_server import merged
from meshtest.translate.host import matches
from meshtest.translate.snapshot import Proxy

Spec = Mapping[str, Any]


def check(world: World) -> Iterator[Finding]:
    """Each Gateway, and those on the same pods."""
    for gateway in gateways(world).values():
        if not gateway.workloads:
            yield from _nothing(world, gateway)
        for server in gateway.servers:
            yield from _port(world, gateway, server)
            yield from _protocol(server)
            if "tls" in server.spec:
                yield from _credentials(world, gateway, server)
                yield from _ignored(server, server.spec["tls"])
    yield from _together(world)


def _nothing(world: World, gateway: Gateway) -> Iterator[Finding]:
    selector = gateway.resource.spec.get("selector") or {}
    running = [each for each in world.workloads.all if each.gateway]
    if not selector or not world.workloads.all:
        return
    text = ", ".join(f"{key}={value}" for key, value in selector.items())
    labels = sorted({f"{key}={each.labels[key]}" for each in running for key in selector if key in each.labels})
    hint = f"; the gateways that run have {listed(labels)}" if labels else ""
    message = (
        f"no pod has the labels {text}, so that nothing listens for this Gateway and connections are refused{hint}. "
        "Write labels of a gateway's pods"
    )
    severity = "" if world.certain(gateway.resource, selector) else INFO
    yield GATEWAY_SELECTS_NOTHING.at(gateway.resource, ("spec", "selector"), message, severity)


_OF_PROFILES = (31400, 15443)  # ports that Istio's demo profile gives to its gateways


def _port(world: World, gateway: Gateway, server: Server) -> Iterator[Finding]:
    """A port is reached through the Service; the number may also be that of the pod's own port behind it."""
    services = list({id(host): host for pod in gateway.workloads for host in world.services_of(pod)}.values())
    ports = [port for service in services for port in service.ports]
    if not ports or any(server.number in (port.number, port.target) for port in ports):
        return
    if any(isinstance(port.target, str) for port in ports) and any(
        pod.ports.get(str(port.target)) == server.number for pod in gateway.workloads for port in ports
    ):
        return
    names = listed(sorted({service.name.partition(".")[0] for service in services}))
    open_ports = listed([str(number) for number in sorted({port.number for port in ports})], 8)
    message = (
        f"nobody reaches port {server.number} from outside: the Service {names} of the gateway's pods has {open_ports} only. "
        f"Use one of these, or add the port to the Service"
    )
    severity = INFO if server.number in _OF_PROFILES and world.assumed(server.resource) else ""
    yield GATEWAY_PORT_CLOSED.at(server.resource, (*server.path, "port", "number"), message, severity)


_TLS_NUMBERS, _PLAIN_NUMBERS = (443, 8443), (80, 8080)


def _protocol(server: Server) -> Iterator[Finding]:
    at = (*server.path, "port", "protocol")
    if server.number in _TLS_NUMBERS and server.protocol.http:
        message = (
            f"port {server.number} speaks plain HTTP here, and clients that use it for HTTPS get an error (wrong version number). "
            f"Write protocol: HTTPS with tls, or use port 80"
        )
        yield PROTOCOL_AGAINST_PORT.at(server.resource, at, message)
    # Only sidecars call with the mesh's own certificates, and they follow the rules that name this port.
    if server.number in _PLAIN_NUMBERS and server.protocol.tls and server.mode != "ISTIO_MUTUAL":
        message = (
            f"port {server.number} speaks {server.protocol.value} here, and clients that use it for plain HTTP get nothing. "
            f"Write protocol: HTTP, or use port 443"
        )
        yield PROTOCOL_AGAINST_PORT.at(server.resource, at, message)


def _credentials(world: World, gateway: Gateway, server: Server) -> Iterator[Finding]:
    tls = server.spec["tls"]
    if server.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL"):
        return
    names = [(("credentialName",), tls.get("credentialName"))]
    names += [(("credentialNames", index), name) for index, name in enumerate(tls.get("credentialNames", []))]  # type: ignore[misc]
    for place, name in names:
        if name and "://" not in str(name):
            yield from _secret(world, gateway, server, (*server.path, "tls", *place), str(name))


def _secret(world: World, gateway: Gateway, server: Server, path: Path, name: str) -> Iterator[Finding]:
    namespaces = sorted(gateway.namespaces)
    effect = f"port {server.number} serves no TLS for {listed(server.names)} and connections are reset"
    places = {each.namespace: each for each in secrets(world).get(name, [])}
    missing = [namespace for namespace in namespaces if namespace not in places]
    if missing:
        elsewhere = sorted(places)
        hint = (
            f"it is in {listed(elsewhere)}: put it there"
            if elsewhere
            else f"create it there{_near_secret(world, name, missing[0])}"
        )
        message = (
            f"there is no Secret {name} in {listed(missing)}, where the gateway's pods run, so that {effect}; {hint}"
        )
        yield UNKNOWN_CREDENTIAL.at(server.resource, path, message)
        return
    secret = places[namespaces[0]]
    if secret.kind == "Secret":
        yield from _keys(server, path, secret, effect)


def secrets(world: World) -> Mapping[str, list[Resource]]:
    """Secrets by name, and Certificates (of cert-manager) that will make one."""
    return world.once("secrets", lambda: _secrets(world))


def _secrets(world: World) -> dict[str, list[Resource]]:
    out: dict[str, list[Resource]] = {}
    for each in world.objects_of("Secret"):
        out.setdefault(each.name, []).append(each)
    for kind in ("Certificate", "ExternalSecret", "SealedSecret"):
        for each in world.objects_of(kind):
            spec = each.spec if isinstance(each.spec, dict) else {}
            target = spec.get("target")
            named = spec.get("secretName") or (target.get("name") if isinstance(target, dict) else None) or each.name
            out.setdefault(str(named), []).append(each)
    return out


def _near_secret(world: World, name: str, namespace: str) -> str:
    there = [key for key, found in secrets(world).items() if any(each.namespace == namespace for each in found)]
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.6)
    return f", or did you mean {near[0]}?" if near else ""


def _keys(server: Server, path: Path, secret: Resource, effect: str) -> Iterator[Finding]:
    """The keys that istiod reads (`pilot/pkg/credentials/kube/secrets.go`)."""
    data = {**_mapping(secret.body.get("data")), **_mapping(secret.body.get("stringData"))}
    if {"tls.crt", "tls.key"} <= data.keys() or {"cert", "key"} <= data.keys():
        return
    message = (
        f"{secret} has no tls.crt and tls.key ({f'it has {listed(sorted(map(str, data)))}' if data else 'it is empty'}), so that {effect}. "
        f"Make it a Secret of type kubernetes.io/tls"
    )
    yield UNKNOWN_CREDENTIAL.at(server.resource, path, message)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_CERTIFICATES = (
    "serverCertificate",
    "privateKey",
    "caCertificates",
    "caCrl",
    "credentialName",
    "credentialNames",
    "tlsCertificates",
)
_OLD = ("TLSV1_0", "TLSV1_1")


def _ignored(server: Server, tls: Spec) -> Iterator[Finding]:
    path = (*server.path, "tls")
    given = [field for field in _CERTIFICATES if tls.get(field)]
    if server.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH") and given and "mode" in tls:
        message = (
            f"{listed(given)} {'are' if len(given) > 1 else 'is'} ignored: with {server.mode} the gateway does not "
            "decrypt. Write SIMPLE or MUTUAL to decrypt here"
        )
        yield SERVER_TLS_IGNORED.at(server.resource, (*path, given[0]), message)
    if tls.get("httpsRedirect") and not server.protocol.http:
        message = f"httpsRedirect has no effect on a server of protocol {server.protocol.value}. Put it on the server of port 80"
        yield SERVER_TLS_IGNORED.at(server.resource, (*path, "httpsRedirect"), message)
    if tls.get("minProtocolVersion") in _OLD and not tls.get("cipherSuites"):
        message = (
            f"{tls['minProtocolVersion']} has no effect: Envoy's default cipher suites are for TLS 1.2 and newer only. "
            f"List cipherSuites that old clients know, or take it away"
        )
        yield SERVER_TLS_IGNORED.at(server.resource, (*path, "minProtocolVersion"), message)


def _together(world: World) -> Iterator[Finding]:
    """Servers on the same pods: of one pod of each kind, else of one selector."""
    known = gateways(world)
    order = [known[f"{each.namespace}/{each.name}"] for each in world.snapshot.of_kind("Gateway")]
    groups: dict[str, list[Gateway]] = {}
    pods: dict[str, Workload] = {}
    for gateway in order:
        for pod in gateway.workloads:
            pods[str(id(pod))] = pod
        selector = str(sorted((gateway.resource.spec.get("selector") or {}).items()))
        for key in [str(id(pod)) for pod in gateway.workloads] or [selector]:
            groups.setdefault(key, []).append(gateway)
    told: set[tuple[int, Path]] = set()
    seen: set[tuple[str, ...]] = set()
    for key, group in groups.items():
        names = tuple(each.name for each in group)
        if names in seen:
            continue
        seen.add(names)
        for finding in _group(world, group, pods.get(key)):
            place = (id(finding.resource), finding.path)
            if place not in told:
                told.add(place)
                yield finding


def _group(world: World, group: list[Gateway], pod: Workload | None) -> Iterator[Finding]:
    servers = [server for gateway in group for server in gateway.servers]
    if pod is not None and pod.instance is not None:
        yield from _left_out(servers, merged(world.snapshot, Proxy(pod.instance)).servers)
    encrypted = [server for server in servers if server.encrypted]
    for server in servers:
        if server.redirects_to_https and server.protocol.http:
            yield from _redirect(server, encrypted)
        yield from _behind(world, server)
    yield from _certificates(encrypted)


def _left_out(servers: list[Server], running: list[gateway_server.Server]) -> Iterator[Finding]:
    """Servers that istiod leaves out, since one before has their port or host."""
    kept = {(id(each.resource), each.index) for each in running}
    rivals: dict[int, list[Server]] = {}
    for server in servers:
        if (id(server.resource), server.index) in kept:
            rivals.setdefault(server.number, []).append(server)
    for server in servers:
        if (id(server.resource), server.index) in kept:
            continue
        beside = rivals.get(server.number, [])
        owner = next((each for each in beside if set(each.names) & set(server.names)), beside[0] if beside else None)
        where = (
            f"{owner.resource} ({line(owner.resource, owner.path, server.resource)})"
            if owner
            else "another server of the same pods"
        )
        shared = sorted(set(owner.names) & set(server.names)) if owner and owner.encrypted and server.encrypted else []
        what = f"{shared[0]} on port {server.number} belongs" if shared else f"port {server.number} belongs"
        path = (
            (*server.path, "hosts", server.names.index(shared[0]))
            if shared and shared[0] in server.names
            else (*server.path, "port")
        )
        message = (
            f"{what} to {where} already, which comes first ({owner.word if owner else 'with another protocol'}), so "
            f"that this whole server ({server.word}) is left out "
            f"and its hosts are not served by it. {'Keep each host in one server' if shared else 'Use another port'}"
        )
        yield SERVERS_CONFLICT.at(server.resource, path, message)


def _redirect(server: Server, encrypted: list[Server]) -> Iterator[Finding]:
    bare = [
        host for host in server.names if not any(matches(host, other) for each in encrypted for other in each.names)
    ]
    if bare:
        message = (
            f"requests for {listed(bare)} are redirected to https, where no server of these pods serves "
            f"{'it' if len(bare) == 1 else 'them'}, so that clients "
            f"cannot connect. Add a server of protocol HTTPS for {'this host' if len(bare) == 1 else 'these hosts'}"
        )
        yield REDIRECT_TO_NOWHERE.at(server.resource, (*server.path, "tls", "httpsRedirect"), message)


def _behind(world: World, server: Server) -> Iterator[Finding]:
    """Connections that no rule takes; requests that no rule takes get an honest 404."""
    if server.rules == "http" or server.mode == "AUTO_PASSTHROUGH":
        return
    served = world.once("layer 4 servers", lambda: _served(world))
    if (id(server), server.rules) not in served:
        message = (
            f"no VirtualService that is bound to the Gateway has `{server.rules}` rules for "
            f"{listed(server.names)}, so that connections "
            f"to port {server.number} are closed. Add one: a server that {server.speaks} does not look at `http` rules"
        )
        yield NOTHING_BEHIND_SERVER.at(server.resource, server.path, message)


def _served(world: World) -> set[tuple[int, str]]:
    return {
        (id(server), section)
        for binding in bindings(world)
        for section in ("tls", "tcp")
        if binding.resource.spec.get(section)
        for server in binding.servers
    }


def _certificates(servers: list[Server]) -> Iterator[Finding]:
    """One certificate in two Gateways: browsers reuse a connection for the other's hosts, and get 404 (IST0138)."""
    first: dict[str, Server] = {}
    for server in servers:
        tls = server.spec.get("tls", {})
        name = tls.get("credentialName") or (
            tls.get("serverCertificate") and f"{tls['serverCertificate']} {tls.get('privateKey')}"
        )
        if not name or server.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH"):
            continue
        other = first.setdefault(str(name), server)
        if other.resource is not server.resource:
            message = (
                f"{other.resource} ({line(other.resource, other.path, server.resource)}) uses the same certificate, "
                "so that browsers reuse a connection for the hosts of "
                f"both, and get 404 from the Gateway that they are connected to. Put the hosts into one Gateway, or use two certificates"
            )
            yield SHARED_CERTIFICATE.at(server.resource, (*server.path, "tls"), message)
