"""A mesh in a cluster: what is put in force there, how it is called, and what its proxies say."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from urllib.parse import quote

from meshtest.authority import Authority
from meshtest.errors import MeshError, OnlyPlanned
from meshtest.explain.address import address_of, outbound_listener
from meshtest.explain.decision import decide, decide_connection
from meshtest.meshes import statistics
from meshtest.meshes.access_log import Entry
from meshtest.meshes.access_logs import AccessLogs, Log
from meshtest.meshes.call import Call, call_of
from meshtest.meshes.destinations import destinations
from meshtest.meshes.entrance import entrance
from meshtest.meshes.kubernetes.admin import READINESS
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.client_pod import ClientPod
from meshtest.meshes.kubernetes.cluster import Cluster
from meshtest.meshes.kubernetes.effect import config_of
from meshtest.meshes.kubernetes.force import Force, Keyed
from meshtest.meshes.kubernetes.gateway import Gateway
from meshtest.meshes.kubernetes.objects import Step
from meshtest.meshes.kubernetes.place import Place
from meshtest.meshes.kubernetes.pod_log import PodLog
from meshtest.meshes.kubernetes.pods import ClusterPods
from meshtest.meshes.kubernetes.population import Population
from meshtest.meshes.kubernetes.relays import Relays
from meshtest.meshes.kubernetes.testimony import testimony
from meshtest.meshes.protocol import Rule, Target
from meshtest.meshes.statistics import Host
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.traffic.request import Request
from meshtest.traffic.tcp import TCP
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Memory, Proxy, Snapshot


class KubernetesMesh:
    """The proxies and workloads of a cluster that has Istio.

    Only the namespaces of the place are touched; what is put in force is taken back by `close`.
    """

    kind = "kubernetes"
    logs_at_once = False

    def __init__(self, api: Api, place: Place) -> None:
        self._api, self._place = api, place
        self._relays = Relays(api.forward)
        self._owed: Keyed | None = None
        self._meddled = False
        self._followed: dict[str, PodLog] = {}
        cluster = Cluster(api, place.namespaces, place.control_plane)
        try:
            self._population = Population(api, cluster, place.namespaces)
            self._force = Force(api, place, self._population, cluster, lambda: self._gateway, lambda: self.authority)
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Have the namespaces to ourselves; HeldByAnother if another run has them for longer than we may wait. Look who else is there."""
        claimed = self._force.claim()
        self._look()
        self._force.look()
        if claimed:
            self._force.log_in_detail()
            self._pods.prove(self.authority)

    @property
    def topology(self) -> Topology:
        """What runs in the cluster, as it was looked at last."""
        return self._population.topology

    @property
    def namespace(self) -> str:
        """Where resources go that name no namespace."""
        return self._place.namespaces[0]

    @property
    def planned(self) -> list[Step]:
        """What would be done to objects, where this is only planned; whoever reads it may clear it."""
        return self._force.planned

    @property
    def notes(self) -> list[str]:
        """What istiod made otherwise than the translation expects, and the like; whoever reads it may clear it."""
        return self._force.notes

    def put(self, resources: Keyed, *, later: bool = False) -> None:
        """Make exactly these be in force; returns when the proxies concerned hold what follows from them.

        `later`: before anything else is asked of the mesh, unless others are put before. But at once where instances were made to behave
        in ways: clusters that stay would remember whom they have ejected.
        """
        self._owed = resources if later and not self._meddled else None
        if self._owed is None:
            self._look()
            self._force.put(resources)

    def _catch_up(self) -> None:
        if self._place.only_plan:
            raise OnlyPlanned("--mesh-plan: nothing is applied, and no traffic is sent")
        if self._owed is not None:
            self.put(self._owed)

    def _look(self) -> bool:
        """Look at the pods that there are now; whether anything is not as it was."""
        changed = self._population.look()
        if changed:
            self.__dict__.pop("_gateway", None)  # it may have other pods now
        return changed

    def _look_again(self) -> None:
        """Look at the pods that there are now, and wait until the proxies know them."""
        if self._look():
            self._force.take(Snapshot(self.topology, self._force.snapshot.resources, Memory()))
            self._pods.prove(self.authority)

    # where calls go

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """Workloads have addresses of their own, and identities; what else there is, is the gateway's configuration to say."""
        gateway, found = self._gateway.instances[0], {"mutual-tls", "pod-addresses"}
        if gateway not in self._population.readable:
            return frozenset(found)
        proxy = self._population.admins[gateway.full_name]
        if any("cluster.outbound" in line for line in proxy.get("/stats?filter=%5Ecluster%5C.outbound").splitlines()):
            found.add("statistics")
        if proxy.workers == 1:
            found.add("exact-limits")
        return frozenset(found)

    def workloads(self) -> list[str]:
        """Those with a proxy."""
        return self._population.workloads()

    @cached_property
    def _gateway(self) -> Gateway:
        found = [each for each in self._population.proxies.values() if each.labels.get("istio") == "ingressgateway"]
        return Gateway(self._api, found, self._place.gateway_url, self._relays.forwarded, self._inside)

    def _inside(self, host: str, port: int) -> tuple[str, int]:
        """Where to connect to here so as to be connected to a host from a pod of the run's own."""
        return self._relays.to(self._client, host, port)

    @cached_property
    def _client(self) -> Instance:
        """The pod of the run's own, which is there until the end."""
        pod = ClientPod(self._api, self._place.run, self.namespace, self._place.image, self._place.pull_policy)
        self._force.add(pod.resource)
        return pod.wait()

    def _asked(self, what: Request | TCP | str) -> Call:
        """A call as it is made at the gateway."""
        call, hosts = call_of(what), self._force.hosts
        return call if hosts is None or call.authority is None else replace(call, authority=hosts.of(call.authority))

    def enter(self, what: Request | str) -> Target:
        """At the gateway's Service, on the port of the Gateway's server that takes the call."""
        self._catch_up()
        call, gateway = self._asked(what), self._gateway.instances[0]
        server, host = entrance(self._force.snapshot, Proxy(gateway), call)
        certain = "*" not in server.server_names or not server.encrypted
        return Target(
            self._gateway.at(server.number, server.target),
            host,
            server_name=(call.host or host) if call.encrypted else None,
            certain=certain,
            proxies=tuple(each.full_name for each in self._gateway.instances),
        )

    def leave(self, workload: str, what: Request | str) -> Target:
        """From a pod of the workload, through its sidecar."""
        self._catch_up()
        call, caller = call_of(what), self._caller(workload)
        if call.authority is None:
            raise ValueError(f"a request from {workload} needs an absolute URL, such as http://reviews:9080/reviews/0")
        return Target(
            self._relays.to(caller, call.host, call.port),
            call.authority,
            server_name=call.server_name if call.encrypted else None,
            proxies=(caller.full_name,),
        )

    def _caller(self, workload: str) -> Instance:
        caller = self._population.of(workload)[0]
        if caller.gateway:
            raise ValueError(f"{workload} is a gateway: it hands on what comes to it, and calls nobody by itself")
        return caller

    def rule(self, workload: str | None, request: Request | TCP) -> Rule | None:
        """What the translated routes say of a request, or filter chains of a connection."""
        self._catch_up()
        call, snapshot = self._asked(request) if workload is None else call_of(request), self._force.snapshot
        proxy = Proxy(self._gateway.instances[0] if workload is None else self._caller(workload))
        config = config_of(snapshot, proxy)
        listener, host = self._listener(proxy, config, call, workload)
        if isinstance(request, TCP):
            found = decide_connection(config, listener, call.port)
        else:
            name = (call.host or host) if call.encrypted else None
            found = decide(config, listener, host, request, name)
        if found is None:
            return None
        leads = destinations(snapshot, config, found.clusters)
        return Rule(found.resource, found.rule, found.where, leads, found.section)

    def _listener(self, proxy: Proxy, config: ProxyConfig, call: Call, workload: str | None) -> tuple[str, str]:
        """The listener that takes a call, and the host that it asks for."""
        if workload is None:
            server, host = entrance(self._force.snapshot, proxy, call)
            return f"{server.bind or '0.0.0.0'}_{server.target}", host
        address = address_of(self._force.snapshot, proxy.namespace, call.host)
        return outbound_listener(config, address, call.port), call.authority or ""

    # what proxies say

    @cached_property
    def _logs(self) -> AccessLogs:
        return AccessLogs(self._pod_logs, self._population.owners)

    def _pod_logs(self) -> Mapping[str, Log]:
        """The logs of the proxies that there are now."""
        proxies = self._population.proxies
        for name in self._followed.keys() - proxies.keys():
            self._followed.pop(name).close()
        for name, each in proxies.items():
            if name not in self._followed:
                detailed = each.namespace in self._place.namespaces
                self._followed[name] = PodLog(self._api, each, self._population.names, detailed)
        return self._followed

    def token(self, target: Target) -> str:
        """A new token for requests that are sent there."""
        return self._logs.token(target)

    def logged(self, token: str, numbers: Collection[int]) -> dict[int, Entry]:
        """What the first proxy logged of requests with a token."""
        return self._logs.first(token, numbers)

    def passages(self, token: str, numbers: Collection[int]) -> dict[int, list[Entry]]:
        """What all proxies logged of these requests."""
        return self._logs.passages(token, numbers)

    def connecting(self, target: Target) -> Callable[[tuple[str, int]], None]:
        """Before a TCP connection is opened there; to be told its address then, so that `connection` can tell of it."""
        remember = self._logs.connecting(target)
        return lambda client: remember(self._relays.source_of(client))

    def connection(self, client: tuple[str, int]) -> list[Entry]:
        """What all proxies logged of a TCP connection from this address."""
        return self._logs.connection(self._relays.source_of(client))

    def stats(self, proxy: str, pattern: str) -> dict[str, int]:
        """Counters and gauges, by a glob over their names."""
        self._catch_up()
        query = f"format=json&filter={quote(statistics.expression(pattern), safe='')}"
        found: Counter[str] = Counter()
        for name in self._population.named(proxy):
            found.update(statistics.numbers(self._population.admins[name].get(f"/stats?{query}")))
        return dict(found)

    def hosts(self, proxy: str, host: str, subset: str | None = None) -> list[Host]:
        """How proxies see the hosts behind a Service."""
        self._catch_up()
        owners, found = self._population.names(), []
        for name in self._population.named(proxy):
            clusters = self._population.admins[name].get("/clusters?format=json")
            found += statistics.hosts(clusters, name, host, subset, owners, self.namespace)
        return found

    def readiness(self, workload: str | None = None) -> dict[str, Target]:
        """Port 15021 of a workload's pods (None: of the ingress gateway), by pod."""
        pods = self._gateway.instances if workload is None else self._population.of(workload)
        return {each.name: Target(self._relays.forwarded(each, READINESS), "readiness") for each in pods}

    # who proves what

    @cached_property
    def authority(self) -> Authority:
        """An authority of this run's own; the mesh's own is istiod's, and gives nobody else its key."""
        return Authority.new()

    @property
    def trusted(self) -> str:
        """The run's own authority."""
        return self.authority.pem

    # what is done to instances

    @property
    def pods(self) -> ClusterPods:
        """The instances of workloads, to say how they behave."""
        self._catch_up()
        self._meddled = True
        return self._pods

    @cached_property
    def _pods(self) -> ClusterPods:
        return ClusterPods(
            self._api,
            self._place.run,
            lambda: self.topology,
            self._told,
            self._look,
            self._look_again,
            self._place.namespaces,
        )

    def _told(self, instances: Collection[Instance], *, ready: bool) -> None:
        """Wait until the proxies have these pods among the endpoints of their Services, or have them no more."""
        moved = frozenset(each.address for each in instances)
        unready = self.topology.unready - moved if ready else self.topology.unready | moved
        self._population.topology = replace(self.topology, unready=unready)
        self._force.take(Snapshot(self.topology, self._force.snapshot.resources, Memory()))

    def restore(self) -> None:
        """Take back whatever was done to instances; where others wait for their turn, all else, too.

        ForeignChanges if someone else has changed what a test had in force; then all that is ours has been taken back.
        """
        if self._meddled:
            self._meddled = False
            self._look()  # those that are gone have nothing to take back
            self._pods.restore()
            self._look_again()
        if self._place.in_turns or self._force.changed_by_others():
            self._give_up(settled=True)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Those of the API server, and of the ingress gateway, as far as they may be asked."""
        found = {}
        with contextlib.suppress(MeshError):
            found["Kubernetes"] = str(self._api.get("/version")["gitVersion"])
        gateway = self._gateway.instances[0]
        if gateway in self._population.readable:
            with contextlib.suppress(MeshError):
                found |= self._population.admins[gateway.full_name].versions
        return found

    def testimony(self) -> dict[str, str]:
        """Pods, events, and what the proxies hold and have counted."""
        found = testimony(
            self._api, {each.namespace for each in self._population.proxies.values()}, self._population.admins
        )
        return found | ({"notes.txt": "\n".join(self.notes)} if self.notes else {})

    def check(self) -> None:
        """MeshError if the surroundings are broken: a proxy that does not answer."""
        for each in self._population.readable:
            self._population.admins[each.full_name].get("/ready")

    def close(self) -> None:
        """Take back all that was put in force, and hang up."""
        try:
            if self._meddled:
                self._pods.restore()
        finally:
            self._give_up()
            self._hang_up()

    def _give_up(self, *, settled: bool = False) -> None:
        """Leave the namespaces to others, as they were; `settled`: as the proxies see it, too."""
        self._owed = None
        for made in ("_client", "_gateway"):  # another time there are others
            self.__dict__.pop(made, None)
        if "_force" in self.__dict__:
            self._force.give_up(settled=settled)

    def _hang_up(self) -> None:
        if "_pods" in self.__dict__:
            self._pods.close()
        if "_population" in self.__dict__:
            self._population.close()
        for log in self._followed.values():
            log.close()
        self._relays.close()
        self._api.close()
