"""What the ports of Services speak (`pkg/config/protocol/instance.go`, `pkg/config/kube/conversion.go`)."""

from __future__ import annotations

from enum import Enum


class Protocol(Enum):
    """A port's protocol; SNIFFED where nothing says it, and each connection is looked at."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    HTTP_PROXY = "HTTP_PROXY"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-WEB"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "MONGO"
    MYSQL = "MYSQL"
    REDIS = "REDIS"
    UDP = "UDP"
    SNIFFED = "sniffed"

    @property
    def http(self) -> bool:
        """Whether HTTP is certain."""
        return self in _HTTP

    @property
    def http2(self) -> bool:
        """Whether it is HTTP/2."""
        return self in _HTTP2

    @property
    def tls(self) -> bool:
        """Whether the bytes are encrypted already, and begin with the name of the server (SNI)."""
        return self in (Protocol.HTTPS, Protocol.TLS)

    @property
    def tcp(self) -> bool:
        """Whether it is anything but HTTP, for certain."""
        return self not in _HTTP and self not in (Protocol.SNIFFED, Protocol.UDP)


_HTTP2 = (Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)
_HTTP = (Protocol.HTTP, Protocol.HTTP_PROXY, *_HTTP2)
_NAMES = {each.value.lower(): each for each in Protocol if each is not Protocol.SNIFFED}


def parsed(name: str) -> Protocol:
    """The protocol of this name, as a Gateway, a ServiceEntry or a Sidecar writes it; SNIFFED for any other."""
    return _NAMES.get(name.lower(), Protocol.SNIFFED)


_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}
# SMTP, DNS, MySQL, MongoDB: the server speaks first, so that nothing can be sniffed.
_SERVER_FIRST = (25, 53, 3306, 27017)


def of_kubernetes_port(name: str, number: int, app_protocol: str | None = None) -> Protocol:
    """The protocol of a Service's port: from `appProtocol`, else from a name such as `http` or `http-web`, else sniffed."""
    if app_protocol in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[app_protocol]
    word = name if app_protocol is None else app_protocol
    if word.lower().startswith("grpc-web"):
        return Protocol.GRPC_WEB
    found = parsed(word.partition("-")[0])
    return Protocol.TCP if found is Protocol.SNIFFED and number in _SERVER_FIRST else found
