"""Names that traffic is sent to: Kubernetes Services and hosts of ServiceEntries, with their ports and what stands behind them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from meshtest.analysis.workload import Labels, Workloads
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology import service as topology
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import DOMAIN, Resolution, Service
from meshtest.translate.host import specificity


@dataclass(frozen=True)
class Port(topology.Port):
    """A port of a host; `path` is where its resource has it."""

    path: Path

    @property
    def http(self) -> bool:
        """Whether HTTP rules count here: for what speaks HTTP, or may."""
        return self.protocol.http or self.protocol is Protocol.SNIFFED

    @property
    def speaks(self) -> str:
        """The protocol as people call it."""
        return {Protocol.SNIFFED: "guessed", Protocol.HTTP2: "HTTP/2", Protocol.GRPC: "gRPC"}.get(
            self.protocol, self.protocol.value
        )


@dataclass(frozen=True, eq=False)
class Host:
    """A Service as the analysis sees it; `members` are the labels of what stands behind it, None where nobody knows."""

    service: Service
    members: tuple[Labels, ...] | None

    @property
    def name(self) -> str:
        """Its full name."""
        return self.service.hostname

    @property
    def namespace(self) -> str:
        """The namespace of its resource."""
        return self.service.namespace

    @property
    def resource(self) -> Resource:
        """The Service or ServiceEntry."""
        return self.service.resource

    @property
    def entry(self) -> bool:
        """Whether it is a host of a ServiceEntry."""
        return self.service.entry

    @property
    def exported_to(self) -> frozenset[str]:
        """The namespaces that see it, `*` for all."""
        return self.service.exported_to

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Its ports."""
        found = enumerate(self.service.ports)
        return tuple(
            Port(each.name, each.number, each.target, each.protocol, ("spec", "ports", index)) for index, each in found
        )

    def port(self, number: int) -> Port | None:
        """The port with this number, if there is one."""
        return next((port for port in self.ports if port.number == number), None)

    @property
    def short(self) -> str:
        """The name as people say it: `reviews` for a Service, `reviews.other` outside `default`."""
        name = self.name.removesuffix(f".{DOMAIN}")
        return name.removesuffix(".default") if name != self.name else name

    @property
    def listed_ports(self) -> str:
        """Its ports, for a sentence."""
        return ", ".join(str(port.number) for port in self.ports) or "none"


def host(service: Service, workloads: Workloads) -> Host:
    """The host that a Service is."""
    return Host(service, _members(service, workloads))


def _members(service: Service, workloads: Workloads) -> tuple[Labels, ...] | None:
    """Labels of what stands behind; of what DNS finds, and of endpoints that are given apart, nothing is known."""
    spec = service.resource.spec
    if service.entry and spec.get("endpoints"):
        static = service.resolution is Resolution.STATIC
        return tuple(each.get("labels", {}) for each in spec["endpoints"]) if static else None
    if service.selector or "workloadSelector" in spec:
        return tuple(each.labels for each in workloads.select(service.selector, service.namespace))
    return None


_MOST_UNKNOWN = 200  # unknown names for which a near one is looked for: it costs a look at each known one


class Hosts:
    """All hosts, by name. Of two with one name the Service counts, then the first."""

    def __init__(self, found: Iterable[Host]) -> None:
        self.by_name: dict[str, Host] = {}
        self.all: list[Host] = list(found)
        for each in self.all:
            self.by_name.setdefault(each.name, each)
        self._wildcards = sorted((name for name in self.by_name if name.startswith("*")), key=specificity)
        self._near: dict[str, str] = {}

    def get(self, name: str) -> Host | None:
        """The host with exactly this name: a cluster is made for this, and for nothing else."""
        return self.by_name.get(name)

    def covering(self, name: str) -> Host | None:
        """The host with this name, or the wildcard that covers it most narrowly."""
        if name in self.by_name:
            return self.by_name[name]
        wide = next((each for each in self._wildcards if name.endswith(each[1:]) and name != each), None)
        return self.by_name[wide] if wide else None

    def within(self, name: str) -> list[Host]:
        """The hosts that a name stands for: itself, or all that a wildcard covers."""
        if not name.startswith("*"):
            return [self.by_name[name]] if name in self.by_name else []
        return [host for other, host in self.by_name.items() if other.endswith(name[1:]) or other == name]

    def near(self, name: str) -> str:
        """The host that was probably meant; empty where none is near."""
        if name not in self._near:
            self._near[name] = self._nearest(name) if len(self._near) < _MOST_UNKNOWN else ""
        return self._near[name]

    def _nearest(self, name: str) -> str:
        suffix = f".{DOMAIN}"
        if name + suffix in self.by_name:
            return name + suffix
        if f"{name.removesuffix('.svc')}{suffix}" in self.by_name:
            return f"{name.removesuffix('.svc')}{suffix}"
        if name.lower() in self.by_name:
            return name.lower()
        first, _, rest = name.partition(".")
        if name.endswith(suffix):
            namespace = rest.removesuffix(f".{DOMAIN}")
            services = [each for each in self.by_name if each.endswith(suffix)]
            beside = [each for each in services if each.endswith(f".{namespace}{suffix}")]
            for names in (beside, services):
                pool = {each.partition(".")[0]: each for each in reversed(names)}
                close = difflib.get_close_matches(first[:60], pool, n=1, cutoff=0.75)
                if close:
                    return pool[close[0]]
            return ""
        close = difflib.get_close_matches(name[:120], self.by_name, n=1, cutoff=0.85)
        return close[0] if close else ""


def listed(words: Sequence[str], most: int = 4) -> str:
    """Words for a sentence: `a`, `a and b`, `a, b and 3 more`."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
