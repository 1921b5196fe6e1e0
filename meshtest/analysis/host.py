"""Names that traffic is sent to: Kubernetes Services and hosts of ServiceEntries, with their ports and what stands behind them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meshtest.analysis.workload import Labels, Workloads
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology import service as kubernetes
from meshtest.topology.service import DOMAIN, GRPC, HTTP, HTTP2, SNIFFED, TCP, Service
from meshtest.translate.host import specificity
from meshtest.translate.virtual_service import exported

TLS, UDP = "TLS", "UDP"
# `protocol.Parse` in `pkg/config/protocol/instance.go`.
_PROTOCOLS = {
    **{"HTTP": HTTP, "HTTP2": HTTP2, "GRPC": GRPC, "GRPC-WEB": HTTP, "HTTP_PROXY": HTTP},
    **{"HTTPS": TLS, "TLS": TLS, "TCP": TCP, "MONGO": TCP, "MYSQL": TCP, "REDIS": TCP, "UDP": UDP},
}
_TLS_NAMES = ("https", "tls")


@dataclass(frozen=True)
class Port:
    """`protocol` is HTTP, HTTP2, GRPC, TLS (HTTPS too), TCP, UDP or sniffed; `path` is where the resource has it."""

    number: int
    name: str
    protocol: str
    target: int | str
    path: Path

    @property
    def http(self) -> bool:
        """Whether HTTP rules count here: for what speaks HTTP, or may."""
        return self.protocol in (HTTP, HTTP2, GRPC, SNIFFED)

    @property
    def speaks_http(self) -> bool:
        """Whether HTTP is certain."""
        return self.protocol in (HTTP, HTTP2, GRPC)

    @property
    def speaks(self) -> str:
        """The protocol as people call it."""
        return {SNIFFED: "guessed", GRPC: "gRPC", HTTP2: "HTTP/2"}.get(self.protocol, self.protocol)


@dataclass(frozen=True, eq=False)
class Host:
    """`members` are the labels of what stands behind it, None where nobody knows; `entry` tells a ServiceEntry from a Service."""

    name: str
    namespace: str
    ports: tuple[Port, ...]
    resource: Resource
    export_to: frozenset[str]
    members: tuple[Labels, ...] | None
    entry: bool = False

    def port(self, number: int) -> Port | None:
        """The port with this number, if there is one."""
        return next((port for port in self.ports if port.number == number), None)

    def visible_in(self, namespace: str) -> bool:
        """Whether proxies of `namespace` know it."""
        return "*" in self.export_to or namespace in self.export_to

    @property
    def short(self) -> str:
        """The name as people say it: `reviews` for a Service, `reviews.other` outside `default`."""
        name = self.name.removesuffix(f".{DOMAIN}")
        return name.removesuffix(".default") if name != self.name else name

    @property
    def listed_ports(self) -> str:
        """Its ports, for a sentence."""
        numbers = [str(port.number) for port in self.ports]
        return numbers[0] if len(numbers) == 1 else ", ".join(numbers) if numbers else "none"


def from_service(service: Service, workloads: Workloads) -> Host:
    """The host that a Kubernetes Service is; without a selector its endpoints are not known."""
    given = service.resource.annotations.get("networking.istio.io/exportTo", "")
    namespaces = [each.strip() for each in given.split(",") if each.strip()]
    members = None
    if service.selector:
        members = tuple(each.labels for each in workloads.select(service.selector, service.namespace))
    ports = tuple(_of_service(service, index) for index in range(len(service.resource.spec.get("ports", []))))
    return Host(
        service.hostname,
        service.namespace,
        ports,
        service.resource,
        exported(namespaces or None, service.namespace),
        members,
    )


def _of_service(service: Service, index: int) -> Port:
    given = service.resource.spec["ports"][index]
    number, name = int(given["port"]), str(given.get("name", ""))
    protocol = UDP if given.get("protocol") == "UDP" else kubernetes.protocol(name, number, given.get("appProtocol"))
    lowered = str(given.get("appProtocol") or name).lower()
    if protocol == TCP and lowered.partition("-")[0] in _TLS_NAMES:
        protocol = TLS
    return Port(number, name, protocol, given.get("targetPort") or number, ("spec", "ports", index))


def from_entry(entry: Resource, workloads: Workloads) -> list[Host]:
    """The hosts of a ServiceEntry; endpoints that DNS finds are not known."""
    spec = entry.spec
    ports = tuple(_of_entry(port, index) for index, port in enumerate(spec.get("ports", [])))
    export_to = exported(spec.get("exportTo"), entry.namespace)
    members: tuple[Labels, ...] | None = None
    if "endpoints" in spec:
        if spec.get("resolution") == "STATIC":
            members = tuple(each.get("labels", {}) for each in spec["endpoints"])
    elif "workloadSelector" in spec:
        selector = spec["workloadSelector"].get("labels", {})
        members = tuple(each.labels for each in workloads.select(selector, entry.namespace))
    return [Host(name, entry.namespace, ports, entry, export_to, members, True) for name in spec.get("hosts", [])]


def _of_entry(port: dict[str, object], index: int) -> Port:
    number, name, given = int(str(port.get("number", 0))), str(port.get("name", "")), str(port.get("protocol") or "")
    protocol = _PROTOCOLS.get(given.upper(), SNIFFED)
    return Port(number, name, protocol, int(str(port.get("targetPort") or number)), ("spec", "ports", index))


class Hosts:
    """All hosts, by name. Of two with one name the Service counts, then the first."""

    def __init__(self, found: Iterable[Host]) -> None:
        self.by_name: dict[str, Host] = {}
        self.all: list[Host] = list(found)
        self.numbers: set[int] = set()
        for each in self.all:
            self.by_name.setdefault(each.name, each)
            self.numbers.update(port.number for port in each.ports)
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
            self._near[name] = self._nearest(name)
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
