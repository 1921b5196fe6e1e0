"""What a Gateway may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import FLAG, PORT, TEXT, ListOf, MapOf, Message, Report, Type, Unsupported, nearest

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_LATER = ("HTTPS", "TLS", "TCP", "MONGO", "MYSQL", "REDIS")


class _Protocol:
    """A server's protocol; only those that speak HTTP in the clear are implemented."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        name = str(value).upper()
        if name in _LATER:
            report(path, f"the protocol {value} is not implemented by the local mesh", unsupported=True)
        elif name not in HTTP_PROTOCOLS:
            report(
                path,
                f"must be one of {', '.join((*HTTP_PROTOCOLS, *_LATER))}; this is {value!r}{nearest(value, (*HTTP_PROTOCOLS, *_LATER))}",
            )
        return name


# On a server that speaks HTTP in the clear only the redirect counts; modes belong to HTTPS and TLS.
TLS = Message(
    {"httpsRedirect": FLAG, "mode": Unsupported(), "credentialName": Unsupported(), "minProtocolVersion": Unsupported()}
)

SERVER = Message(
    {
        "name": TEXT,
        "port": Message(
            {"number": PORT, "name": TEXT, "protocol": _Protocol(), "targetPort": PORT},
            required=("number", "name", "protocol"),
        ),
        "hosts": ListOf(TEXT, least=1),
        "tls": TLS,
        "bind": TEXT,
        "defaultEndpoint": Unsupported("nor by Istio"),
    },
    required=("port", "hosts"),
)


def _port_names(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    seen: set[str] = set()
    for index, server in enumerate(spec.get("servers", [])):
        name = str(server.get("port", {}).get("name"))
        if name in seen:
            report(
                (*path, "servers", index, "port", "name"),
                f"the port name {name!r} is used twice; names of ports must differ",
            )
        seen.add(name)


GATEWAY: Type = Message(
    {"selector": MapOf(TEXT), "servers": ListOf(SERVER, least=1)},
    required=("servers",),
    rules=(_port_names,),
)
