"""Kubernetes Services as istiod sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.resources.resource import Resource

DOMAIN = "svc.cluster.local"

HTTP, HTTP2, GRPC, TCP, SNIFFED = "HTTP", "HTTP2", "GRPC", "TCP", "sniffed"

# Istio's `pkg/config/protocol/instance.go`: a port is named `protocol` or `protocol-suffix`.
_PROTOCOLS = {
    "http": HTTP,
    "http2": HTTP2,
    "grpc": GRPC,
    "grpc-web": HTTP,
    "tcp": TCP,
    "https": TCP,
    "tls": TCP,
    "mongo": TCP,
    "mysql": TCP,
    "redis": TCP,
    "udp": "UDP",
    "hbone": TCP,
}
_APP_PROTOCOLS = {"kubernetes.io/h2c": HTTP2, "kubernetes.io/ws": HTTP, "kubernetes.io/wss": TCP}
# Ports on which the server speaks first cannot be sniffed (`pilot/pkg/serviceregistry/kube/conversion.go`).
_SERVER_FIRST = {25: TCP, 53: TCP, 3306: TCP, 27017: TCP}


@dataclass(frozen=True)
class Port:
    """A port of a Service; `target` is the number or name of the instances' port."""

    name: str
    number: int
    target: int | str
    protocol: str

    @property
    def speaks_http(self) -> bool:
        """Whether HTTP is certain; a sniffed port may carry it or not."""
        return self.protocol in (HTTP, HTTP2, GRPC)

    @property
    def http_or_sniffed(self) -> bool:
        """Whether it takes part in HTTP routing."""
        return self.speaks_http or self.protocol == SNIFFED


@dataclass(frozen=True)
class Service:
    """A Service. `address` is its cluster IP, empty for a headless one; `selector` is empty when its endpoints are given apart."""

    name: str
    namespace: str
    address: str
    ports: tuple[Port, ...]
    selector: Mapping[str, str]
    resource: Resource

    @property
    def hostname(self) -> str:
        """The name in DNS, `reviews.default.svc.cluster.local`."""
        return f"{self.name}.{self.namespace}.{DOMAIN}"

    def port(self, number: int) -> Port | None:
        """The port with this number, if there is one."""
        return next((port for port in self.ports if port.number == number), None)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether pods with these labels stand behind this Service."""
        return bool(self.selector) and self.selector.items() <= labels.items()


def service(resource: Resource, address: str) -> Service:
    """A Service from its checked manifest; `address` stands in for a cluster IP that the API server would choose."""
    spec = resource.spec
    given = spec.get("clusterIP") or address
    ports = tuple(_port(port) for port in spec.get("ports", []) if port.get("protocol", "TCP") == "TCP")
    selector = dict(spec.get("selector", {}))
    return Service(resource.name, resource.namespace, "" if given == "None" else given, ports, selector, resource)


def _port(port: Mapping[str, Any]) -> Port:
    number, name = int(port["port"]), str(port.get("name", ""))
    return Port(name, number, port.get("targetPort") or number, protocol(name, number, port.get("appProtocol")))


def protocol(name: str, number: int, app_protocol: str | None = None) -> str:
    """The protocol of a port as istiod reads it: from `appProtocol`, else from the port's name, else sniffed."""
    lowered = (name if app_protocol is None else app_protocol).lower()
    if app_protocol in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[app_protocol]
    if lowered.startswith("grpc-web"):
        return HTTP
    return _PROTOCOLS.get(lowered.partition("-")[0]) or _SERVER_FIRST.get(number, SNIFFED)
