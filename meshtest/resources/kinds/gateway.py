"""What a Gateway may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.port import HTTP_PROTOCOLS, TLS_PROTOCOLS, NoTarget, Protocol
from meshtest.resources.kinds.server_tls import SERVER_TLS
from meshtest.resources.kinds.unix_socket import UNIX, Address
from meshtest.resources.resource import Resource
from meshtest.resources.schema import TEXT, UINT32, ListOf, MapOf, Message, Report, Text, Type


def _numbered(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    number, socket = spec["port"]["number"], spec.get("bind", "").startswith(UNIX)
    if socket and number:
        report((*path, "port", "number"), f"must be 0 for a Unix socket; this is {number}")
    if not socket and not 0 < number < 65536:
        report((*path, "port", "number"), f"must be from 1 to 65535; this is {number}")


def _secured(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    protocol, tls = spec["port"]["protocol"], spec.get("tls")
    if protocol in TLS_PROTOCOLS and tls is None:
        report(
            path, f"a server of protocol {protocol} must have `tls` settings: its mode, and where its certificate is"
        )
    if protocol in TLS_PROTOCOLS or tls is None:
        return
    if protocol not in HTTP_PROTOCOLS:
        report((*path, "tls"), f"a server of protocol {protocol} has no `tls`: did you mean the protocol TLS?")
    elif (mode := tls.get("mode", "PASSTHROUGH")) not in ("PASSTHROUGH", "AUTO_PASSTHROUGH"):
        report(
            (*path, "tls", "mode"),
            f"a server of protocol {protocol} has no TLS of the mode {mode}: did you mean HTTPS?",
        )
    else:
        for field in ("serverCertificate", "privateKey", "caCertificates"):
            if tls.get(field):
                report(
                    (*path, "tls", field), f"a server of protocol {protocol} has no certificate: did you mean HTTPS?"
                )


# istiod takes `defaultEndpoint`, and does nothing with it.
SERVER = Message(
    {
        "name": TEXT,
        "port": Message(
            {
                "number": UINT32,
                "name": Text(lambda text: None if text else "must not be empty"),
                "protocol": Protocol(empty=False),
                "targetPort": NoTarget(),
            },
            required=("number", "name", "protocol"),
            form="{number: 80, name: http, protocol: HTTP}",
        ),
        "hosts": ListOf(Text(name.gateway_host), least=1),
        "tls": SERVER_TLS,
        "bind": Address(lambda text: name.ip_address_only(text) if text else None),
        "defaultEndpoint": TEXT,
    },
    required=("port", "hosts"),
    rules=(_numbered, _secured),
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


def named(resource: Resource, report: Report) -> None:
    """The name of a Gateway has no dots."""
    if wrong := name.label(resource.name):
        report(("metadata", "name"), f"the name of a Gateway {wrong}")


GATEWAY: Type = Message(
    {"selector": MapOf(TEXT), "servers": ListOf(SERVER, least=1)},
    required=("servers",),
    rules=(_port_names,),
)
