"""What a test needs of a mesh, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from meshtest.meshes.access_log import Entry
from meshtest.meshes.statistics import Host
from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology
from meshtest.traffic.request import Request
from meshtest.traffic.tcp import TCP

if TYPE_CHECKING:
    from meshtest.bookinfo.behaviour import Behaviour, Counters


@dataclass(frozen=True)
class Target:
    """Where a call is to be sent: a socket address, the Host it asks for, the address it comes from (None for any).

    `server_name` is the name that the other side must prove in TLS; None in the clear. It is not `certain` that a server for any host
    (`*`) can prove each name. `proxies` are the names (`pod.namespace`) of those of which one is there, and `peer` is the address that
    they see calls come from (empty if it is not known).
    """

    address: tuple[str, int]
    host: str
    source: str | None = None
    server_name: str | None = None
    certain: bool = True
    proxies: tuple[str, ...] = ()
    peer: str = ""


@dataclass(frozen=True)
class Destination:
    """Where a rule sends requests: `share` is 0..1; `missing` says what does not exist of it, and the remedy (empty if it does)."""

    host: str
    subset: str
    share: float
    missing: str = ""

    def __str__(self) -> str:
        name = self.host.partition(".")[0]
        return f"{name} {self.subset}".strip() + f" {100 * self.share:.4g} %"


@dataclass(frozen=True)
class Rule:
    """The rule that decides a request: an entry of a list (`http`) of a VirtualService, where it stands, and where it sends requests."""

    resource: str
    number: int
    where: str
    destinations: tuple[Destination, ...] = ()
    section: str = "http"

    @property
    def field(self) -> str:
        """The entry as people write it."""
        return f"spec.{self.section}[{self.number}]"

    def __str__(self) -> str:
        sends = f" (to {', '.join(map(str, self.destinations))})" if self.destinations else ""
        return f"{self.resource} {self.field} at {self.where}{sends}"


@dataclass(frozen=True)
class Seen:
    """A request as an instance saw it: when (`time.monotonic()`), which pod, and what; of TCP a line as `target`, without a method."""

    time: float
    pod: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """The (first) value of a header, None without one; its name in any case."""
        return next((value for key, value in self.headers if key == name.lower()), None)


CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "mutual-tls": "mutual TLS between workloads, by which callers have an identity",
        "pod-addresses": "an address of its own that each workload calls from",
        "hosts-outside": "hosts outside of the mesh that answer, whatever their names are",
        "refused-connections": "addresses where nothing listens, and which refuse connections at once (Services of a cluster swallow them)",
        "statistics": "all of Envoy's statistics at its gateway, of which Istio's proxies keep few (`proxyStatsMatcher`)",
        "prompt-ejections": "proxies whose workers learn at once who is ejected and who is back (Istio's collect that for a second)",
        "exact-limits": "a gateway with one worker thread, with which circuit breakers count exactly (`concurrency: 1`)",
    }
)
"""What not every mesh can do, by the names that the marker `mesh_needs` takes."""


class Pods(Protocol):
    """The instances of workloads, where a test can say how they behave.

    `instance` counts from 0; None means all instances of the workload. ValueError for a workload or an instance that does not exist.
    """

    def names(self, workload: str) -> Sequence[str]:
        """The pods of a workload."""

    def behave(self, workload: str, instance: int | None, behaviour: Behaviour) -> int:
        """Put a behaviour in force, for each instance by itself; its number."""

    def take_back(self, workload: str, instance: int | None, number: int) -> int:
        """Take one behaviour back; what it held is answered. How many requests it has decided."""

    def recover(self, workload: str, instance: int | None) -> None:
        """Take all behaviours back, start what has crashed, make ready what is not."""

    def release(self, workload: str, instance: int | None, number: int, most: int | None) -> int:
        """Let go requests that a behaviour holds, the oldest first, at most so many; how many."""

    def held(self, workload: str, instance: int | None, number: int) -> int:
        """How many requests a behaviour holds now."""

    def decided(self, workload: str, instance: int | None, number: int) -> int:
        """How many requests a behaviour has decided."""

    def observe(self, workload: str, instance: int | None) -> Counters:
        """What instances have seen, together."""

    def record(self, workload: str, instance: int | None) -> int:
        """Start to record what instances are asked; the recording's number."""

    def recorded(self, number: int, end: bool = False) -> list[Seen]:
        """What a recording holds, in the order of time; `end` ends it."""

    def crash(self, workload: str, instance: int | None) -> None:
        """Reset all connections of instances, and refuse new ones; their sidecars stay."""

    def start(self, workload: str, instance: int | None) -> None:
        """Start those instances that have crashed."""

    def restart(self, workload: str, instance: int | None) -> None:
        """Start instances anew: nothing seen, no behaviours. Those that run crash first."""

    def unready(self, workload: str, instance: int | None) -> None:
        """Take instances out of their Services' endpoints; returns when every proxy has acknowledged it."""

    def ready(self, workload: str, instance: int | None) -> None:
        """Bring instances back into their Services' endpoints; returns when every proxy has acknowledged it."""

    def finish(self, workload: str, instance: int | None, timeout: float) -> None:
        """Wait until instances have answered all that they were asked; MeshError if they have not within `timeout` seconds."""


class Authority(Protocol):
    """A certificate authority."""

    @property
    def pem(self) -> str:
        """Its own certificate (PEM), to be trusted."""

    def certificate(self, *names: str) -> tuple[str, str]:
        """A certificate for these names, and its key (PEM): of hosts, IP addresses, or URIs such as SPIFFE's."""


class Mesh(Protocol):
    """Where resources take effect."""

    kind: str

    @property
    def topology(self) -> Topology:
        """What exists there, apart from the resources that are put in force."""

    @property
    def namespace(self) -> str:
        """Where resources go that name no namespace."""

    @property
    def logs_at_once(self) -> bool:
        """Whether proxies write their access logs at once, and not only now and then."""

    @property
    def capabilities(self) -> Collection[str]:
        """Which of `CAPABILITIES` it has."""

    @property
    def authority(self) -> Authority:
        """What proves the servers of the mesh to clients, and can make certificates for clients."""

    @property
    def trusted(self) -> str:
        """Certificates (PEM) that clients are to trust: the authority's, and others that the mesh's servers have."""

    def put(self, resources: Mapping[tuple[str, str, str, str], Resource], *, later: bool = False) -> None:
        """Make exactly these resources (by their keys) be in force; returns when every proxy concerned has acknowledged it.

        `later`: it is enough if this is so when anything else is asked of the mesh; nothing is if others are put before.
        """

    def enter(self, what: Request | str) -> Target:
        """Where a request, or a connection (by a URL such as tcp://tcp-echo:31400), enters through the ingress gateway."""

    def leave(self, workload: str, what: Request | str) -> Target:
        """Where a request, or a connection, of a workload leaves it, through its sidecar."""

    def rule(self, workload: str | None, request: Request | TCP) -> Rule | None:
        """The rule that decides a request, or a connection, from a workload, or at the ingress gateway (None); None if no rule does."""

    def token(self, target: Target) -> str:
        """A new token, by which the proxies' log lines are told to be of requests that are sent there from now on.

        Requests carry it in `User-Agent` (`meshtest.traffic.token`).
        """

    def logged(self, token: str, numbers: Collection[int]) -> Mapping[int, Entry]:
        """What the first proxy logged of requests with a token, by their numbers; waits until all these are there.

        What it logged of other numbers by then is given too. MeshError if it stays silent.
        """

    def passages(self, token: str, numbers: Collection[int]) -> Mapping[int, Sequence[Entry]]:
        """What all proxies logged of these requests, in the order in which each reached them; waits until all is there."""

    def connecting(self, target: Target) -> Callable[[tuple[str, int]], None]:
        """Before a TCP connection is opened there; to be told its address then, so that `connection` can tell of it."""

    def connection(self, client: tuple[str, int]) -> Sequence[Entry]:
        """What all proxies logged of a TCP connection from this address, once it has ended."""

    def stats(self, proxy: str, pattern: str) -> Mapping[str, int]:
        """Counters and gauges of a workload's proxies (summed) or of one proxy, whose names a glob stands for.

        All that was answered before this was asked is counted.
        """

    def hosts(self, proxy: str, host: str, subset: str | None = None) -> Sequence[Host]:
        """How proxies see the hosts behind a Service (`meshtest.meshes.statistics.hosts`)."""

    def readiness(self, workload: str | None = None) -> Mapping[str, Target]:
        """Where the proxies of a workload (None: the ingress gateway) say whether they are ready, by pod; port 15021 in a cluster."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Those of what it consists of, by name, as far as they are known: `Envoy`, `Istio`, `Kubernetes`."""

    def testimony(self) -> Mapping[str, str]:
        """What explains a failure later, as texts by the names of files: what the proxies hold and have counted, and who is there."""

    def check(self) -> None:
        """MeshError if the surroundings are broken: a proxy or a workload that has ended."""

    def workloads(self) -> Sequence[str]:
        """The names of all workloads, gateways included."""

    @property
    def pods(self) -> Pods:
        """The instances of workloads, to say how they behave."""

    def restore(self) -> None:
        """Take back whatever was done to instances."""

    def close(self) -> None:
        """End it; leaves nothing."""
