"""Kubernetes Services as istiod sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.errors import ResourceError
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
    "kubernetes.io/h2c": HTTP2,
    "kubernetes.io/ws": HTTP,
    "kubernetes.io/wss": TCP,
    "hbone": TCP,
}
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
    """A Service from its manifest; `address` stands in for a cluster IP that the API server would choose."""
    spec = resource.spec
    if spec.get("type") == "ExternalName":
        raise ResourceError(
            f"{resource.where('spec', 'type')}: {resource} spec.type: ExternalName is not implemented by the local mesh"
        )
    given = spec.get("clusterIP") or address
    ports = tuple(
        _port(resource, index, port)
        for index, port in enumerate(_list(resource, spec, "ports"))
        if port.get("protocol") != "UDP"
    )
    selector = dict(spec.get("selector") or {})
    return Service(resource.name, resource.namespace, "" if given == "None" else given, ports, selector, resource)


def _list(resource: Resource, spec: Mapping[str, Any], key: str) -> list[Any]:
    value = spec.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ResourceError(f"{resource.where('spec', key)}: {resource} spec.{key}: must be a list of mappings")
    return value


def _port(resource: Resource, index: int, port: Mapping[str, Any]) -> Port:
    number, name = port.get("port"), str(port.get("name") or "")
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        where = resource.where("spec", "ports", index, "port")
        raise ResourceError(
            f"{where}: {resource} spec.ports[{index}].port: must be a number from 1 to 65535; this is {number!r}"
        )
    return Port(name, number, port.get("targetPort") or number, protocol(name, number, port.get("appProtocol")))


def protocol(name: str, number: int, app_protocol: str | None = None) -> str:
    """The protocol of a port as istiod reads it: `appProtocol`, else the port's name, else sniffed."""
    lowered = (app_protocol or name).lower()
    if lowered.startswith("grpc-web"):
        return HTTP
    if app_protocol:
        return _PROTOCOLS.get(lowered, SNIFFED)
    return _PROTOCOLS.get(lowered.partition("-")[0]) or _SERVER_FIRST.get(number, SNIFFED)
