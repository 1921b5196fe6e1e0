"""Where a Gateway or a ListenerSet listens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.names import DOMAIN, GROUP, HOSTNAME, KIND, PORT_NUMBER, SECTION
from meshtest.resources.kinds.gateway_api.reference import SECRET
from meshtest.resources.kinds.gateway_api.unique import Unique, by
from meshtest.resources.schema import TEXT, Enum, ListOf, MapOf, Message, Report, Text

# As in the CRD, whose second alternative is bound to the end only.
_PROTOCOL = re.compile(rf"\A[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?\Z|{DOMAIN}/[A-Za-z0-9]+\Z")


def _protocol(text: str) -> str | None:
    if _PROTOCOL.search(text):
        return None
    return f"must be HTTP, HTTPS, TLS, TCP, UDP or a name of your own such as example.com/mine; this is {text!r}"


LABEL_SELECTOR = Message(
    {
        "matchLabels": MapOf(TEXT),
        "matchExpressions": ListOf(
            Message({"key": TEXT, "operator": TEXT, "values": ListOf(TEXT)}, required=("key", "operator"))
        ),
    }
)


def namespaces(*words: str) -> Message:
    """Which namespaces something is allowed for."""
    return Message({"from": Enum(words), "selector": LABEL_SELECTOR}, nullable=("from",), form="{from: Same}")


def _terminated(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("mode", "Terminate") == "Terminate" and not spec.get("certificateRefs") and not spec.get("options"):
        report(path, "needs `certificateRefs` where the mode is Terminate")


TLS = Message(
    {
        "mode": Enum(("Terminate", "Passthrough")),
        "certificateRefs": ListOf(SECRET, most=64),
        "options": MapOf(Text(most=4096), most=16),
    },
    nullable=("mode",),
    rules=(_terminated,),
    form="{certificateRefs: [{name: my-cert}]}",
)


def _secured(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    protocol, tls = spec["protocol"], spec.get("tls")
    if protocol in ("HTTP", "TCP", "UDP") and tls is not None:
        report((*path, "tls"), f"a listener of the protocol {protocol} has no `tls`: did you mean HTTPS or TLS?")
    if protocol == "HTTPS" and tls is not None and tls.get("mode") == "Passthrough":
        report((*path, "tls", "mode"), "must be Terminate for the protocol HTTPS; did you mean the protocol TLS?")
    if protocol == "TLS" and tls is None:
        report(path, "the field 'tls' is missing, which a listener of the protocol TLS needs")
    if protocol in ("TCP", "UDP") and "hostname" in spec:
        report((*path, "hostname"), f"a listener of the protocol {protocol} cannot tell hosts apart: take it away")


_LISTENER = Message(
    {
        "name": SECTION,
        "hostname": HOSTNAME,
        "port": PORT_NUMBER,
        "protocol": Text(_protocol, most=255),
        "tls": TLS,
        "allowedRoutes": Message(
            {
                "namespaces": namespaces("All", "Selector", "Same"),
                "kinds": ListOf(
                    Message({"group": GROUP, "kind": KIND}, required=("kind",), nullable=("group",)), most=8
                ),
            },
            nullable=("namespaces",),
        ),
    },
    required=("name", "port", "protocol"),
    nullable=("allowedRoutes",),
    rules=(_secured,),
    form="{name: http, port: 80, protocol: HTTP}",
)
LISTENERS = Unique(_LISTENER, by("name"), "name", least=1, most=64)


def listeners_differ(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """No two listeners have the same port, protocol and host."""
    seen: set[tuple[Any, ...]] = set()
    for index, each in enumerate(spec["listeners"]):
        key = (each["port"], each["protocol"], each.get("hostname"))
        if key in seen:
            report((*path, "listeners", index), "has the port, the protocol and the hostname of a listener before it")
        seen.add(key)
