"""What a Gateway may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.schema import (
    FLAG,
    PORT,
    TEXT,
    ListOf,
    MapOf,
    Message,
    Report,
    Text,
    Type,
    Unsupported,
    named,
    nearest,
)

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_LATER = ("HTTPS", "TLS", "TCP", "MONGO", "MYSQL", "REDIS")


class _Protocol:
    """A server's protocol; only those that speak HTTP in the clear are implemented."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        name_ = value.upper() if isinstance(value, str) else ""
        if name_ in _LATER:
            report(path, f"the protocol {value} is not implemented by the local mesh", unsupported=True)
        elif name_ not in HTTP_PROTOCOLS:
            known = (*HTTP_PROTOCOLS, *_LATER)
            report(path, f"must be one of {', '.join(known)}; this is {named(value)}{nearest(name_, known)}")
        return name_


class _NoTarget:
    """A field that only Services have."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        report(path, "has no meaning in a Gateway: the port of the proxy follows from its Service; take it away")
        return value


# On a server that speaks HTTP in the clear only the redirect counts; all else belongs to HTTPS and TLS.
_CERTIFICATES = ("credentialName", "credentialNames", "serverCertificate", "privateKey", "caCertificates", "caCrl")
_DETAILS = (
    *("mode", "subjectAltNames", "verifyCertificateSpki", "verifyCertificateHash", "minProtocolVersion"),
    *("maxProtocolVersion", "cipherSuites", "tlsCertificates", "caCertCredentialName"),
)
TLS = Message({"httpsRedirect": FLAG, **{field: Unsupported() for field in (*_CERTIFICATES, *_DETAILS)}})


def _secured(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    protocol, tls = spec["port"]["protocol"], spec.get("tls")
    if protocol in ("HTTPS", "TLS") and tls is None:
        report(
            path, f"a server of protocol {protocol} must have `tls` settings: its mode, and where its certificate is"
        )
    if protocol in HTTP_PROTOCOLS and tls:
        for field in _CERTIFICATES:
            if field in tls:
                report(
                    (*path, "tls", field), f"a server of protocol {protocol} has no certificate: did you mean HTTPS?"
                )


def _bind(text: str) -> str | None:
    return None if not text or name.address(text) else f"must be an IP address; this is {text!r}"


class _Bind:
    """The address that a server listens on; Unix sockets are not implemented."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, str) and value.startswith("unix://"):
            report(path, "listening on a Unix socket is not implemented by the local mesh", unsupported=True)
            return value
        return Text(_bind).read(value, path, report)


SERVER = Message(
    {
        "name": TEXT,
        "port": Message(
            {
                "number": PORT,
                "name": Text(lambda text: None if text else "must not be empty"),
                "protocol": _Protocol(),
                "targetPort": _NoTarget(),
            },
            required=("number", "name", "protocol"),
            form="{number: 80, name: http, protocol: HTTP}",
        ),
        "hosts": ListOf(Text(name.gateway_host), least=1),
        "tls": TLS,
        "bind": _Bind(),
        "defaultEndpoint": Unsupported("nor by Istio"),
    },
    required=("port", "hosts"),
    rules=(_secured,),
)


def _port_names(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    seen: set[str] = set()
    for index, server in enumerate(spec["servers"]):
        if (given := server["port"]["name"]) in seen:
            report(
                (*path, "servers", index, "port", "name"),
                f"the port name {given!r} is used twice; names of ports must differ",
            )
        seen.add(given)


GATEWAY: Type = Message(
    {"selector": MapOf(TEXT), "servers": ListOf(SERVER, least=1)},
    required=("servers",),
    rules=(_port_names,),
)
