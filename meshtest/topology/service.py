"""Services as istiod sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from meshtest.resources.resource import Resource
from meshtest.topology.protocol import Protocol, of_kubernetes_port

DOMAIN = "svc.cluster.local"


@dataclass(frozen=True)
class Port:
    """A port of a Service; `target` is the number or name of the instances' port."""

    name: str
    number: int
    target: int | str
    protocol: Protocol


class Resolution(Enum):
    """How the addresses behind a Service are found; the words are ServiceEntry's."""

    STATIC = "STATIC"
    DNS = "DNS"
    DNS_ROUND_ROBIN = "DNS_ROUND_ROBIN"
    NONE = "NONE"


@dataclass(frozen=True)
class Service:
    """A Service of Kubernetes, or a host of a ServiceEntry, as istiod sees both (`pilot/pkg/model/service.go`).

    `address` is its cluster IP, or an address or CIDR range of a ServiceEntry; empty where it has none (a headless Service).
    `selector` is empty when its endpoints are given apart. `exported_to` holds namespaces, or `*`. `publishes_unready` is
    `publishNotReadyAddresses`.
    """

    name: str
    namespace: str
    hostname: str
    address: str
    ports: tuple[Port, ...]
    selector: Mapping[str, str]
    resource: Resource
    resolution: Resolution = Resolution.STATIC
    exported_to: frozenset[str] = frozenset({"*"})
    entry: bool = False
    external: bool = False
    subject_alt_names: tuple[str, ...] = ()
    publishes_unready: bool = False

    def port(self, number: int) -> Port | None:
        """The port with this number, if there is one."""
        return next((port for port in self.ports if port.number == number), None)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether pods with these labels stand behind this Service."""
        return bool(self.selector) and self.selector.items() <= labels.items()

    def visible_in(self, namespace: str) -> bool:
        """Whether proxies of `namespace` know it."""
        return "*" in self.exported_to or namespace in self.exported_to


_EXPORT_TO = "networking.istio.io/exportTo"


def service(resource: Resource, address: str) -> Service:
    """A Service from its checked manifest; `address` stands in for a cluster IP that the API server would choose."""
    spec = resource.spec
    given = spec.get("clusterIP") or address
    headless = given == "None"
    names = resource.annotations.get(_EXPORT_TO, "").split(",")
    return Service(
        resource.name,
        resource.namespace,
        f"{resource.name}.{resource.namespace}.{DOMAIN}",
        "" if headless else given,
        tuple(_port(port) for port in spec.get("ports", [])),
        dict(spec.get("selector", {})),
        resource,
        resolution=Resolution.NONE if headless else Resolution.STATIC,
        exported_to=exported([name.strip() for name in names if name.strip()], resource.namespace),
        publishes_unready=spec.get("publishNotReadyAddresses") is True,
    )


def exported(names: Sequence[str], namespace: str) -> frozenset[str]:
    """The namespaces that `exportTo` names: `.` is the resource's own, `*` all, `~` none; nothing given means all."""
    if "*" in names or not names:
        return frozenset({"*"})
    return frozenset() if "~" in names else frozenset(namespace if name == "." else name for name in names)


def _port(port: Mapping[str, Any]) -> Port:
    number, name = int(port["port"]), str(port.get("name", ""))
    udp = port.get("protocol") == "UDP"
    protocol = Protocol.UDP if udp else of_kubernetes_port(name, number, port.get("appProtocol"))
    return Port(name, number, port.get("targetPort") or number, protocol)
