"""What a ReferenceGrant and a BackendTLSPolicy may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.names import (
    DOMAIN,
    GROUP,
    HOSTNAME,
    KIND,
    NAME,
    NAMESPACE,
    PRECISE_HOSTNAME,
    SECTION,
    matching,
)
from meshtest.resources.kinds.gateway_api.reference import LOCAL, targets_differ
from meshtest.resources.schema import Enum, ListOf, MapOf, Message, Report, Text, Type

REFERENCE_GRANT: Type = Message(
    {
        "from": ListOf(
            Message({"group": GROUP, "kind": KIND, "namespace": NAMESPACE}, required=("group", "kind", "namespace")),
            least=1,
            most=16,
        ),
        "to": ListOf(
            Message({"group": GROUP, "kind": KIND, "name": NAME}, required=("group", "kind")), least=1, most=16
        ),
    },
    required=("from", "to"),
)


def _certificates(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    own, known = bool(spec.get("caCertificateRefs")), "wellKnownCACertificates" in spec
    if own == known:
        what = "exclude each other: keep one" if own else "are missing: one of the two is needed"
        report(path, f"'caCertificateRefs' and 'wellKnownCACertificates' {what}")


def _alternative_name(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    field = {"Hostname": "hostname", "URI": "uri"}[spec["type"]]
    if field not in spec:
        report(path, f"the field {field!r} is missing, which the type {spec['type']} needs")
    for other in spec.keys() - {"type", field}:
        report((*path, other), f"does not belong to the type {spec['type']}")


_URI = r"[^:/?#]+:(?://[^/?#]*)[^?#]*(?:\?[^#]*)?(?:#.*)?.*"
BACKEND_TLS_POLICY: Type = Message(
    {
        "targetRefs": ListOf(
            Message(
                {"group": GROUP, "kind": KIND, "name": NAME, "sectionName": SECTION}, required=("group", "kind", "name")
            ),
            least=1,
            most=16,
        ),
        "validation": Message(
            {
                "hostname": PRECISE_HOSTNAME,
                "caCertificateRefs": ListOf(LOCAL, most=8),
                "wellKnownCACertificates": matching(
                    rf"System|{DOMAIN}/(?:[A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]", "System", most=253
                ),
                "subjectAltNames": ListOf(
                    Message(
                        {
                            "type": Enum(("Hostname", "URI")),
                            "hostname": HOSTNAME,
                            "uri": matching(_URI, "a URI such as spiffe://example.com/a", most=253),
                        },
                        required=("type",),
                        rules=(_alternative_name,),
                    ),
                    most=5,
                ),
            },
            required=("hostname",),
            rules=(_certificates,),
        ),
        "options": MapOf(Text(most=4096), most=16),
    },
    required=("targetRefs", "validation"),
    rules=(targets_differ,),
)
