"""Which servers of which Gateways a proxy runs, and on which ports (`mergeGateways` in `pilot/pkg/model/gateway.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from meshtest.resources.resource import Resource
from meshtest.topology.protocol import Protocol, parsed
from meshtest.translate.snapshot import Proxy, Snapshot
from meshtest.translate.virtual_service import Spec


@dataclass(frozen=True, eq=False)
class Server:
    """One server of one Gateway, with the port on which the proxy's own Service hands its connections over."""

    gateway: str
    resource: Resource
    index: int
    spec: Spec
    target: int

    @property
    def namespace(self) -> str:
        """The namespace of the Gateway."""
        return self.resource.namespace

    @property
    def where(self) -> str:
        """File and line."""
        return self.resource.where("spec", "servers", self.index)

    @property
    def origin(self) -> dict[str, str | int]:
        """What is noted in the configuration made of it."""
        return {"resource": str(self.resource), "server": self.index, "where": self.where}

    @property
    def number(self) -> int:
        """The port as the Gateway has it."""
        return int(self.spec["port"]["number"])

    @property
    def bind(self) -> str:
        """The address it listens on."""
        return str(self.spec.get("bind", ""))

    @cached_property
    def protocol(self) -> Protocol:
        """What it speaks."""
        return parsed(self.spec["port"]["protocol"])

    @property
    def tls(self) -> Spec | None:
        """Its TLS settings."""
        return self.spec.get("tls")

    @property
    def mode(self) -> str:
        """Its TLS mode; where there are settings without one Istio passes connections through."""
        return str(self.tls.get("mode", "PASSTHROUGH")) if self.tls is not None else ""

    @property
    def passes_through(self) -> bool:
        """Whether it forwards encrypted connections as they are."""
        return self.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH")

    @property
    def encrypted(self) -> bool:
        """Whether connections to it are encrypted: it has TLS settings, and is not the part of HTTP that redirects."""
        return self.tls is not None and not self.protocol.http

    @property
    def routes_http(self) -> bool:
        """Whether it reads requests: HTTP in the clear, or HTTPS that it decrypts."""
        return self.protocol.http or (self.protocol is Protocol.HTTPS and not self.passes_through)

    @property
    def redirects_to_https(self) -> bool:
        """Whether each request is answered with a redirect to HTTPS."""
        return bool(self.tls and self.tls.get("httpsRedirect"))

    @property
    def route_name(self) -> str:
        """The name of its route configuration; empty where it reads no requests (`gatewayRDSRouteName`)."""
        bind = f".{self.bind}" if self.bind else ""
        if self.protocol.http:
            return f"http.{self.target}{bind}"
        if not self.routes_http:
            return ""
        return f"https.{self.number}.{self.spec['port']['name']}.{self.resource.name}.{self.namespace}{bind}"

    @cached_property
    def hosts(self) -> list[str]:
        """Its hosts, each behind the one namespace that it is for and a `/`, where it is for one."""
        pairs = [host.rpartition("/") for host in self.spec["hosts"]]
        if any(space == host == "*" for space, _, host in pairs):
            return ["*"]
        spaces = [{".": self.namespace, "*": ""}.get(space, space) for space, _, _ in pairs]
        return [f"{space}/{host}" if space else host for space, (_, _, host) in zip(spaces, pairs, strict=True)]

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts that VirtualServices of `namespace` may serve here."""
        pairs = [host.rpartition("/") for host in self.hosts]
        return [host for space, _, host in pairs if space in ("", namespace)]

    @property
    def server_names(self) -> list[str]:
        """The names by which TLS connections are told apart, sorted."""
        return sorted({host.rpartition("/")[2] for host in self.hosts})


@dataclass(frozen=True)
class Listening:
    """Servers that share a port, a protocol and an address; `route_name` is theirs if they speak HTTP in the clear."""

    port: int
    protocol: Protocol
    bind: str
    route_name: str
    servers: list[Server]


@dataclass
class Merged:
    """The servers that a proxy runs: by where they listen, and by the name of their route configuration, both in order."""

    listening: list[Listening] = field(default_factory=list)
    by_route: dict[str, list[Server]] = field(default_factory=dict)

    @property
    def servers(self) -> list[Server]:
        """All of them."""
        return [server for each in self.listening for server in each.servers]


def merged(snapshot: Snapshot, proxy: Proxy) -> Merged:
    """What of all Gateways that select the proxy takes effect; of servers that cannot share a port the first counts."""
    return snapshot.once(("servers", id(proxy.instance)), lambda: _Merger().merge(_selected(snapshot, proxy)))


def _selected(snapshot: Snapshot, proxy: Proxy) -> list[Server]:
    labels = snapshot.labels(proxy).items()
    return [
        Server(f"{each.namespace}/{each.name}", each, index, spec, target_port(snapshot, proxy, spec["port"]["number"]))
        for each in snapshot.of_kind("Gateway")
        if each.spec.get("selector", {}).items() <= labels
        for index, spec in enumerate(each.spec["servers"])
    ]


def target_port(snapshot: Snapshot, proxy: Proxy, number: int) -> int:
    """The port behind the gateway's Service port `number`; the number itself where no Service has it (`resolvePorts`)."""
    instance = proxy.instance
    for service in snapshot.topology.services:
        if (
            service.namespace == instance.namespace
            and service.selects(instance.labels)
            and (port := service.port(number))
        ):
            return port.target if isinstance(port.target, int) else instance.ports.get(port.target, number)
    return number


class _Merger:
    """Takes servers one by one, as istiod does."""

    def __init__(self) -> None:
        self.out = Merged()
        self.plain: dict[int, Listening] = {}  # the latest server in the clear on a port
        self.ports: set[int] = set()
        self.taken: dict[tuple[int, str], str] = {}  # port and TLS host to the address of the server that has it

    def merge(self, servers: Sequence[Server]) -> Merged:
        for server in servers:
            if server.tls is None or self._first(server):
                self._add(server)
        return self.out

    def _first(self, server: Server) -> bool:
        """Whether no TLS server before has one of its hosts at the same address and port."""
        keys = [(server.target, host) for host in server.hosts]
        if any(self.taken.get(key) == server.bind for key in keys):
            return False
        self.taken.update(dict.fromkeys(keys, server.bind))
        return True

    def _add(self, server: Server) -> None:
        if server.target not in self.ports:
            self.ports.add(server.target)
            self._open(server)
        elif server.target in self.plain:
            self._beside_plain(server, self.plain[server.target])
        elif not server.encrypted:
            self._open(server)
        else:
            self._beside_encrypted(server)

    def _open(self, server: Server) -> None:
        """A port, protocol and address of its own."""
        known = self._at(server)
        if known:
            self.out.listening.remove(known)
        made = Listening(server.target, server.protocol, server.bind, server.route_name, [server])
        self.out.listening.append(made)
        if not server.encrypted:
            self.plain[server.target] = made
        if server.routes_http:
            self.out.by_route[server.route_name] = [server]

    def _at(self, server: Server) -> Listening | None:
        key = (server.target, server.protocol, server.bind)
        return next((each for each in self.out.listening if (each.port, each.protocol, each.bind) == key), None)

    def _beside_plain(self, server: Server, current: Listening) -> None:
        """HTTP goes with HTTP; anything else wants an address of its own."""
        if server.bind == current.bind:
            if not (server.protocol.http and current.protocol.http) or not server.route_name:
                return
            current.servers.append(server)
        elif known := self._at(server):
            known.servers.append(server)
        else:
            self._open(server)
            return
        if server.routes_http:
            self.out.by_route.setdefault(server.route_name, []).append(server)

    def _beside_encrypted(self, server: Server) -> None:
        """TLS servers are told apart by their hosts; of HTTPS each has routes of its own."""
        if server.routes_http:
            if server.route_name in self.out.by_route:
                return
            self.out.by_route[server.route_name] = [server]
        if known := self._at(server):
            known.servers.append(server)
        else:
            self.out.listening.append(Listening(server.target, server.protocol, server.bind, "", [server]))
