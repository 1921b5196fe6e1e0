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
from meshtest.analysis.finding import Finding
from meshtest.analysis.gateway import HTTP_PROTOCOLS, Gateway, Server, gateways
from meshtest.analysis.host import listed
from meshtest.analysis.sentence import line
from meshtest.analysis.world import World
from meshtest.resources.resource import Resource
from meshtest.translate.host import matches

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
    message = f"no pod has the labels {text}, so that nothing listens for this Gateway and connections are refused{hint}. Write labels of a gateway's pods"
    yield GATEWAY_SELECTS_NOTHING.at(gateway.resource, ("spec", "selector"), message)


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
    yield GATEWAY_PORT_CLOSED.at(server.gateway, (*server.path, "port", "number"), message)


_TLS_NUMBERS, _PLAIN_NUMBERS = (443, 8443), (80, 8080)


def _protocol(server: Server) -> Iterator[Finding]:
    at = (*server.path, "port", "protocol")
    if server.number in _TLS_NUMBERS and server.protocol in HTTP_PROTOCOLS:
        message = (
            f"port {server.number} speaks plain HTTP here, and clients that use it for HTTPS get an error (wrong version number). "
            f"Write protocol: HTTPS with tls, or use port 80"
        )
        yield PROTOCOL_AGAINST_PORT.at(server.gateway, at, message)
    if server.number in _PLAIN_NUMBERS and server.protocol in ("HTTPS", "TLS"):
        message = (
            f"port {server.number} speaks {server.protocol} here, and clients that use it for plain HTTP get nothing. "
            f"Write protocol: HTTP, or use port 443"
        )
        yield PROTOCOL_AGAINST_PORT.at(server.gateway, at, message)


def _credentials(world: World, gateway: Gateway, server: Server) -> Iterator[Finding]:
    tls = server.spec["tls"]
    if server.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL"):
        return
    names = [(("credentialName",), tls.get("credentialName"))]
    names += [(("credentialNames", index), name) for index, name in enumerate(tls.get("credentialNames", []))]  # type: ignore[misc]
    for place, name in names:
        if name and "://" not in str(name):
            yield from _secret(world, gateway, server, (*server.path, "tls", *place), str(name))


def _secret(world: World, gateway: Gateway, server: Server, path: tuple[str | int, ...], name: str) -> Iterator[Finding]:
    namespaces = sorted(gateway.namespaces)
    effect = f"port {server.number} serves no TLS for {listed([host for _, host in server.hosts])} and connections are reset"
    places = {each.namespace: each for each in secrets(world).get(name, [])}
    missing = [namespace for namespace in namespaces if namespace not in places]
    if missing:
        elsewhere = sorted(places)
        hint = f"it is in {listed(elsewhere)}: put it there" if elsewhere else f"create it there{_near_secret(world, name, missing[0])}"
        message = f"there is no Secret {name} in {listed(missing)}, where the gateway's pods run, so that {effect}; {hint}"
        yield UNKNOWN_CREDENTIAL.at(server.gateway, path, message)
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


def _keys(server: Server, path: tuple[str | int, ...], secret: Resource, effect: str) -> Iterator[Finding]:
    """The keys that istiod reads (`pilot/pkg/credentials/kube/secrets.go`)."""
    data = {**_mapping(secret.body.get("data")), **_mapping(secret.body.get("stringData"))}
    if {"tls.crt", "tls.key"} <= data.keys() or {"cert", "key"} <= data.keys():
        return
    message = (
        f"{secret} has no tls.crt and tls.key ({f'it has {listed(sorted(map(str, data)))}' if data else 'it is empty'}), so that {effect}. "
        f"Make it a Secret of type kubernetes.io/tls"
    )
    yield UNKNOWN_CREDENTIAL.at(server.gateway, path, message)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_CERTIFICATES = ("serverCertificate", "privateKey", "caCertificates", "caCrl", "credentialName", "credentialNames", "tlsCertificates")
_OLD = ("TLSV1_0", "TLSV1_1")


def _ignored(server: Server, tls: Spec) -> Iterator[Finding]:
    path = (*server.path, "tls")
    given = [field for field in _CERTIFICATES if tls.get(field)]
    if server.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH") and given and "mode" in tls:
        message = f"{listed(given)} {'are' if len(given) > 1 else 'is'} ignored: with {server.mode} the gateway does not decrypt. Write SIMPLE or MUTUAL to decrypt here"
        yield SERVER_TLS_IGNORED.at(server.gateway, (*path, given[0]), message)
    if tls.get("httpsRedirect") and server.protocol not in HTTP_PROTOCOLS:
        message = f"httpsRedirect has no effect on a server of protocol {server.protocol}. Put it on the server of port 80"
        yield SERVER_TLS_IGNORED.at(server.gateway, (*path, "httpsRedirect"), message)
    if tls.get("minProtocolVersion") in _OLD and not tls.get("cipherSuites"):
        message = (
            f"{tls['minProtocolVersion']} has no effect: Envoy's default cipher suites are for TLS 1.2 and newer only. "
            f"List cipherSuites that old clients know, or take it away"
        )
        yield SERVER_TLS_IGNORED.at(server.gateway, (*path, "minProtocolVersion"), message)


def _together(world: World) -> Iterator[Finding]:
    """Servers on the same pods: by pod, else by the same selector."""
    groups: dict[Any, list[Server]] = {}
    for gateway in sorted(gateways(world).values(), key=lambda each: str(each.resource.body["metadata"].get("creationTimestamp") or "") + each.name):
        selector = tuple(sorted((gateway.resource.spec.get("selector") or {}).items()))
        keys = {id(pod): None for pod in gateway.workloads} or {selector: None}
        for key in keys:
            groups.setdefault(key, []).extend(gateway.servers)
    told: set[tuple[int, str]] = set()
    for servers in groups.values():
        for code, finding in _group(world, servers):
            key = (id(finding.resource), f"{code}{finding.path}")
            if key not in told:
                told.add(key)
                yield finding


def _group(world: World, servers: list[Server]) -> Iterator[tuple[str, Finding]]:
    by_port: dict[tuple[int, str], list[Server]] = {}
    for server in servers:
        by_port.setdefault((server.number, str(server.spec.get("bind", ""))), []).append(server)
    for found in by_port.values():
        for finding in _port_shared(found):
            yield "conflict", finding
    encrypted = [server for server in servers if server.protocol in ("HTTPS", "TLS")]
    for server in servers:
        if server.spec.get("tls", {}).get("httpsRedirect") and server.protocol in HTTP_PROTOCOLS:
            yield from (("redirect", each) for each in _redirect(server, encrypted))
        yield from (("behind", each) for each in _behind(world, server))
    yield from (("certificate", each) for each in _certificates(encrypted))


def _port_shared(servers: list[Server]) -> Iterator[Finding]:
    first = servers[0]
    owners: dict[str, Server] = {}
    for server in servers:
        where = line(first.gateway, first.path, server.gateway)
        if _family(server) != _family(first):
            message = (
                f"port {server.number} is {first.protocol} already by {first.gateway} ({where}), which comes first, so that this server ({server.protocol}) "
                f"is left out and its hosts are not served. Use another port"
            )
            yield SERVERS_CONFLICT.at(server.gateway, (*server.path, "port"), message)
            continue
        yield from _hosts_shared(server, owners)


def _family(server: Server) -> str:
    """Servers of one family can share a port (`canMergeProtocols` in `pilot/pkg/model/gateway.go`)."""
    if server.protocol in HTTP_PROTOCOLS:
        return "plain HTTP"
    return "TLS" if server.protocol in ("HTTPS", "TLS") else "TCP"


def _hosts_shared(server: Server, owners: dict[str, Server]) -> Iterator[Finding]:
    """Of servers with TLS on one port the first owns a host, and a later one is left out (`CheckDuplicates` in `gateway.go`)."""
    if server.protocol not in ("HTTPS", "TLS"):
        return
    for index, (_, host) in enumerate(server.hosts):
        owner = owners.setdefault(host, server)
        if owner is not server:
            message = (
                f"{host} on port {server.number} belongs to {owner.gateway} ({line(owner.gateway, owner.path, server.gateway)}) already, which comes first, "
                f"so that this whole server is left out. Keep each host in one server"
            )
            yield SERVERS_CONFLICT.at(server.gateway, (*server.path, "hosts", index), message)
            return


def _redirect(server: Server, encrypted: list[Server]) -> Iterator[Finding]:
    bare = [
        host
        for _, host in server.hosts
        if not any(matches(host, other) for each in encrypted for _, other in each.hosts)
    ]
    if bare:
        message = (
            f"requests for {listed(bare)} are redirected to https, where no server of these pods serves {'it' if len(bare) == 1 else 'them'}, so that clients "
            f"cannot connect. Add a server of protocol HTTPS for {'this host' if len(bare) == 1 else 'these hosts'}"
        )
        yield REDIRECT_TO_NOWHERE.at(server.gateway, (*server.path, "tls", "httpsRedirect"), message)


def _behind(world: World, server: Server) -> Iterator[Finding]:
    """Connections that no rule takes; requests that no rule takes get an honest 404."""
    if server.rules == "http" or server.mode == "AUTO_PASSTHROUGH":
        return
    served = world.once("layer 4 servers", lambda: _served(world))
    if (id(server), server.rules) not in served:
        message = (
            f"no VirtualService that is bound to the Gateway has `{server.rules}` rules for {listed([host for _, host in server.hosts])}, so that connections "
            f"to port {server.number} are closed. Add one: a server that {server.speaks} does not look at `http` rules"
        )
        yield NOTHING_BEHIND_SERVER.at(server.gateway, server.path, message)


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
        name = tls.get("credentialName") or (tls.get("serverCertificate") and f"{tls['serverCertificate']} {tls.get('privateKey')}")
        if not name or server.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH"):
            continue
        other = first.setdefault(str(name), server)
        if other.gateway is not server.gateway:
            message = (
                f"{other.gateway} ({line(other.gateway, other.path, server.gateway)}) uses the same certificate, so that browsers reuse a connection for the hosts of "
                f"both, and get 404 from the Gateway that they are connected to. Put the hosts into one Gateway, or use two certificates"
            )
            yield SHARED_CERTIFICATE.at(server.gateway, (*server.path, "tls"), message)
