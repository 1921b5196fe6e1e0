"""What a Gateway, a GatewayClass and a ListenerSet of the Gateway API may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.listener import LISTENERS, listeners_differ, namespaces
from meshtest.resources.kinds.gateway_api.names import DOMAIN, GROUP, KIND, NAME, NAMESPACE, PORT_NUMBER, matching
from meshtest.resources.kinds.gateway_api.reference import ANYWHERE, LOCAL, SECRET
from meshtest.resources.kinds.gateway_api.unique import Unique, by
from meshtest.resources.name import address
from meshtest.resources.schema import Enum, ListOf, MapOf, Message, Report, Text, Type

_KEY = re.compile(rf"(?:{DOMAIN}/)?(?:[A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]")
# As in the CRD, whose alternatives are bound to an end each.
_ADDRESS_TYPE = re.compile(rf"\AHostname|IPAddress|NamedAddress|{DOMAIN}/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+\Z")
_HOST = re.compile(rf"(?:\*\.)?{DOMAIN}")


def _key(text: str) -> str | None:
    if _KEY.fullmatch(text) and len(text.partition("/")[0]) < 253:
        return None
    return f"is no key of a label: {text!r}"


def _address_type(text: str) -> str | None:
    return None if _ADDRESS_TYPE.search(text) else f"must be IPAddress, Hostname or NamedAddress; this is {text!r}"


def _address(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    type_, value = spec.get("type", "IPAddress"), spec.get("value")
    if value is not None and type_ == "IPAddress" and (not address(value) or "%" in value):
        report((*path, "value"), f"must be an IP address; this is {value!r}")
    if value is not None and type_ == "Hostname" and not _HOST.fullmatch(value):
        report((*path, "value"), f"must be a host name; this is {value!r}")


def _addresses_differ(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    seen = set()
    for index, each in enumerate(spec.get("addresses", [])):
        key = (each.get("type", "IPAddress"), each.get("value"))
        if key in seen and key[0] in ("IPAddress", "Hostname") and key[1] is not None:
            report((*path, "addresses", index), f"{key[1]!r} stands here twice: keep one")
        seen.add(key)


_CLIENT_VALIDATION = Message(
    {
        "validation": Message(
            {
                "caCertificateRefs": ListOf(ANYWHERE, least=1, most=16),
                "mode": Enum(("AllowValidOnly", "AllowInsecureFallback")),
            },
            required=("caCertificateRefs",),
            nullable=("mode",),
        )
    }
)
_TLS = Message(
    {
        "backend": Message({"clientCertificateRef": SECRET}),
        "frontend": Message(
            {
                "default": _CLIENT_VALIDATION,
                "perPort": Unique(
                    Message({"port": PORT_NUMBER, "tls": _CLIENT_VALIDATION}, required=("port", "tls")),
                    by("port"),
                    "port",
                    most=64,
                ),
            },
            required=("default",),
        ),
    }
)

GATEWAY: Type = Message(
    {
        "gatewayClassName": NAME,
        "listeners": LISTENERS,
        "addresses": ListOf(
            Message(
                {"type": Text(_address_type, most=253), "value": Text(most=253)}, nullable=("type",), rules=(_address,)
            ),
            most=16,
        ),
        "infrastructure": Message(
            {
                "labels": MapOf(
                    matching(
                        r"(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", "a value of a label", most=63, least=0
                    ),
                    _key,
                    most=8,
                ),
                "annotations": MapOf(Text(most=4096), _key, most=16),
                "parametersRef": LOCAL,
            }
        ),
        "allowedListeners": Message(
            {"namespaces": namespaces("All", "Selector", "Same", "None")}, nullable=("namespaces",)
        ),
        "tls": _TLS,
    },
    required=("gatewayClassName", "listeners"),
    rules=(listeners_differ, _addresses_differ),
)
LISTENER_SET: Type = Message(
    {
        "parentRef": Message(
            {"group": GROUP, "kind": KIND, "name": NAME, "namespace": NAMESPACE},
            required=("name",),
            nullable=("group", "kind"),
        ),
        "listeners": LISTENERS,
    },
    required=("parentRef", "listeners"),
    rules=(listeners_differ,),
)
GATEWAY_CLASS: Type = Message(
    {
        "controllerName": matching(
            rf"{DOMAIN}/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+",
            "a domain and a path, such as istio.io/gateway-controller",
            most=253,
        ),
        "description": Text(most=64),
        "parametersRef": ANYWHERE,
    },
    required=("controllerName",),
)
