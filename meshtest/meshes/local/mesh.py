"""The local mesh: all its proxies and workloads, from start to end."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from meshtest.errors import MeshError
from meshtest.meshes.local import change
from meshtest.meshes.local.decision import decide
from meshtest.meshes.local.destinations import destinations
from meshtest.meshes.local.entrance import entrance
from meshtest.meshes.local.envoy import DEADLINE, Envoy, binary, check_watches
from meshtest.meshes.local.exit import listener_for
from meshtest.meshes.local.ground import Grounds, ground
from meshtest.meshes.local.guardian import Guardian
from meshtest.meshes.local.limits import check_limits
from meshtest.meshes.local.loopback import Loopback
from meshtest.meshes.local.site import Sites, sites
from meshtest.meshes.local.wire import is_large
from meshtest.meshes.local.workloads import Workloads, plan
from meshtest.meshes.protocol import Rule, Target
from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology
from meshtest.traffic.request import Request
from meshtest.translate.inbound_port import inbound_ports
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Json, Memory, Proxy, Snapshot

Keyed = Mapping[tuple[str, str, str, str], Resource]

_SOCKET_PATH = 100  # characters; the kernel takes 108 with the closing zero
_ENOUGH = 32 << 20  # bytes; Bookinfo takes 1 MB


@dataclass(frozen=True)
class _Way:
    """A listener of a proxy, and the host to ask for there."""

    envoy: Envoy
    listener: str
    host: str


class LocalMesh:
    """Real Envoys on loopback: a gateway each, a sidecar each instance, stand-in workloads behind them.

    When it is made its processes have been started; `wait_ready` waits until they all work.
    """

    kind = "local"

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._executable = binary()
        self._loopback = Loopback()
        self._guardian: Guardian | None = None
        self._workloads: Workloads | None = None
        self._envoys: dict[str, Envoy] = {}
        self._configs: dict[str, ProxyConfig] = {}
        self._sent: dict[str, ProxyConfig] = {}
        self._memory = Memory()
        self._texts = change.Texts()
        self._large: set[str] = set()  # names of route configurations that have been large; they stay binary
        self._snapshot = Snapshot(topology, (), self._memory)
        try:
            self._sites = self._place()
            self._start()
        except BaseException:
            self.close()
            raise

    def _place(self) -> Sites:
        places = sites(self.topology.instances, self._loopback)
        _open(places, self._snapshot)
        return places

    def _start(self) -> None:
        guardian = self._guardian = Guardian(
            (_quick_place(), tempfile.gettempdir()), tuple(claim.fileno() for claim in self._loopback.claims)
        )
        folder, logs = map(Path, guardian.folders)
        shared: dict[int, Json] = {}
        self._workloads = Workloads(plan(self.topology, self._sites), logs / "workloads.log", guardian.group)
        for number, site in enumerate(self._sites.by_address.values()):
            name = f"{site.instance.name}.{site.instance.namespace}"
            envoy = Envoy(name, site, folder / f"p{number}", logs / f"p{number}", self._large)
            self._envoys[site.instance.address] = envoy
            self._configs[site.instance.address], self._sent[site.instance.address] = self._translated(
                self._snapshot, envoy, shared
            )
            change.write_initial(envoy, self._sent[site.instance.address])
        check_watches(sum(2 + len(config.routes) for config in self._sent.values()))
        for envoy in self._envoys.values():
            envoy.start(self._executable, guardian.group)

    def wait_ready(self) -> None:
        """Wait until all workloads listen and all proxies are ready; if one is not, MeshError says why, and all are ended."""
        assert self._workloads is not None
        deadline = time.monotonic() + DEADLINE
        try:
            self._workloads.wait_ready()
            for envoy in self._envoys.values():
                envoy.wait_ready(deadline)
                change.check_accepted(envoy)
        except BaseException:
            self.close()
            raise

    def _translated(self, snapshot: Snapshot, envoy: Envoy, shared: dict[int, Json]) -> tuple[ProxyConfig, ProxyConfig]:
        config = translate(snapshot, Proxy(envoy.site.instance))
        self._large.update(name for name, routes in config.routes.items() if is_large(routes))
        return config, ground(config, Grounds(envoy.site, self._sites, self._watched(envoy), shared))

    def _watched(self, envoy: Envoy) -> Callable[[str], str | None]:
        """Routes are watched where traffic flows: at gateways, in sidecars for the ports of workloads; and where there are many."""
        watched = self._flowing | self._large
        return lambda name: envoy.routes_file(name) if envoy.site.instance.gateway or name in watched else None

    @cached_property
    def _flowing(self) -> frozenset[str]:
        """The route configurations (`9080`, or `host:port` of a sniffed port) for Services with workloads behind them."""
        gateways = {each.address for each in self.topology.instances if each.gateway}
        return frozenset(
            str(port.number) if port.protocol.http else f"{service.hostname}:{port.number}"
            for service in self.topology.services
            for port in service.ports
            if any(each.address not in gateways for each in self.topology.endpoints(service, port))
        )

    def put(self, resources: Keyed) -> None:
        """Make exactly these resources be in force. What Envoy refuses is taken back, and raised as MeshError."""
        self.check()
        check_limits(resources.values(), self._sites.apart)
        snapshot = Snapshot(self.topology, tuple(resources.values()), self._memory)
        _open(self._sites, snapshot)
        shared: dict[int, Json] = {}
        new = {address: self._translated(snapshot, envoy, shared) for address, envoy in self._envoys.items()}
        changed = [address for address in new if new[address][1] != self._sent[address]]
        self._texts.forget()
        steps = [change.Step(self._envoys[each], self._sent[each], new[each][1], self._texts) for each in changed]
        try:
            change.take(steps)
        except MeshError:
            with contextlib.suppress(MeshError):  # the first error is the one to know
                change.take([step.back() for step in steps])
            raise
        self._snapshot = snapshot
        for address in changed:
            self._configs[address], self._sent[address] = new[address]

    def check(self) -> None:
        """MeshError if a proxy or the workloads have ended."""
        assert self._workloads is not None
        self._workloads.check()
        for envoy in self._envoys.values():
            envoy.check()

    def workloads(self) -> list[str]:
        """The names of all workloads."""
        return list(self.topology.names)

    def enter(self, request: Request) -> Target:
        """At the listener of the Gateway's server for the request's port; without an authority at the first HTTP server."""
        way = self._way(None, request)
        return Target(way.envoy.site.listener(way.listener), way.host)

    def leave(self, workload: str, request: Request) -> Target:
        """At the outbound listener of the workload's (first) sidecar that takes the request's host and port."""
        way = self._way(workload, request)
        return Target(way.envoy.site.listener(way.listener), way.host, way.envoy.site.address)

    def rule(self, workload: str | None, request: Request) -> Rule | None:
        """What the translated routes say of a request."""
        way = self._way(workload, request)
        config = self._configs[way.envoy.site.instance.address]
        found = decide(config, way.listener, way.host, request)
        if found is None:
            return None
        return Rule(found.resource, found.rule, found.where, destinations(self._snapshot, config, found.clusters))

    def _way(self, workload: str | None, request: Request) -> _Way:
        """Where a request meets its first proxy."""
        if workload is None:
            gateway = self._gateway()
            server, host = entrance(self._snapshot, Proxy(gateway.site.instance), request)
            return _Way(gateway, f"{server.bind or '0.0.0.0'}_{server.target}", host)
        envoy = self._of(workload)
        if request.authority is None:
            raise ValueError(
                f"a request from {workload} needs an absolute URL, such as http://reviews:9080{request.path}"
            )
        instance = envoy.site.instance
        listener = listener_for(self.topology, instance, self._configs[instance.address], request.authority)
        return _Way(envoy, listener, request.authority)

    def readiness(self) -> Target:
        """The ingress gateway's readiness listener."""
        return Target(self._gateway().site.readiness, "readiness")

    def instance_readiness(self, workload: str) -> Target:
        """The readiness listener of a workload's (first) sidecar."""
        return Target(self._of(workload).site.readiness, "readiness")

    def _gateway(self) -> Envoy:
        for envoy in self._envoys.values():
            if envoy.site.instance.labels.get("istio") == "ingressgateway":
                return envoy
        for envoy in self._envoys.values():
            if envoy.site.instance.gateway:
                return envoy
        raise MeshError("the topology has no gateway")

    def _of(self, workload: str) -> Envoy:
        instances = self.topology.names.get(workload)
        if not instances:
            from meshtest.resources.schema import nearest

            known = ", ".join(self.topology.names)
            raise ValueError(
                f"there is no workload {workload!r}{nearest(workload, self.topology.names)}; there are {known}"
            )
        return self._envoys[instances[0].address]

    def close(self) -> None:
        """End all processes and remove all files; harmless when repeated."""
        if self._guardian is None:
            self._loopback.close()
            return
        guardian, self._guardian = self._guardian, None
        guardian.close()
        for envoy in self._envoys.values():
            envoy.close()
        if self._workloads is not None:
            self._workloads.close()
        guardian.wait()
        self._loopback.close()


def _open(places: Sites, snapshot: Snapshot) -> None:
    """Give each port on which a workload takes calls its place."""
    for site in places.by_address.values():
        if not site.instance.gateway:
            for port in inbound_ports(snapshot, Proxy(site.instance)):
                site.inbound(port.number)


def _quick_place() -> str:
    """Where to put watched files and sockets: in memory where there is one, because replacing a file on disk takes a millisecond.

    Else the usual one for temporary files, unless its name is too long for a socket's path.
    """
    memory = "/dev/shm"
    with contextlib.suppress(OSError):
        free = os.statvfs(memory)
        if os.access(memory, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize > _ENOUGH:
            return memory
    usual = tempfile.gettempdir()
    return usual if len(usual) + len("/meshtest-12345678/p1234/admin") < _SOCKET_PATH else "/tmp"
