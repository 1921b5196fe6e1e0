"""What a WorkloadEntry, or an endpoint of a ServiceEntry, may say (`validateWorkloadEntry` in `pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.unix_socket import UNIX, Address
from meshtest.resources.schema import PORT, TEXT, UINT32, MapOf, Message, Report, Text, Type


def _port_name(text: str) -> str | None:
    """As `name.label`; the CRD takes one character less."""
    return name.label(text) or (None if len(text) < 63 else f"must have at most 62 characters; this is {text!r}")


def _address(text: str) -> str | None:
    if not text or name.address(text) or name.fqdn(text) is None:
        return None
    return f"must be an IP address or a host name without wildcards; this is {text!r}"


def no_ports_on_a_socket(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """A Unix socket has no ports."""
    if spec.get("address", "").startswith(UNIX) and "ports" in spec:
        report((*path, "ports"), "a Unix socket has no ports: take them away")


def _reachable(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.get("address") and not spec.get("network"):
        report(path, "the field 'address' is missing: an IP address or a host name")


ENTRY_FIELDS: Mapping[str, Type] = {
    "address": Address(_address, most=256),
    "ports": MapOf(PORT, _port_name, most=128),
    "labels": MapOf(Text(name.label_value), name.label_key, most=256),
    "network": Text(most=2048),
    "locality": Text(most=2048),
    "weight": UINT32,
    "serviceAccount": Text(most=253),
}
WORKLOAD_ENTRY: Type = Message(ENTRY_FIELDS, rules=(_reachable, no_ports_on_a_socket), form="{address: 10.0.0.1}")

# istiod looks neither at the address nor at the labels of a WorkloadGroup's template: they are filled in later.
TEMPLATE: Type = Message(
    {**ENTRY_FIELDS, "address": Address(lambda text: None, most=256), "labels": MapOf(TEXT, most=256)},
    rules=(no_ports_on_a_socket,),
)
