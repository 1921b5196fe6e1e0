"""What a PeerAuthentication may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.policy_target import SELECTOR
from meshtest.resources.schema import Enum, MapOf, Message, Report, Type

_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_MUTUAL_TLS = Message(
    {"mode": Enum(("UNSET", "DISABLE", "PERMISSIVE", "STRICT"))},
    form="{mode: STRICT}",
)


def _port(text: str) -> str | None:
    if _NUMBER.fullmatch(text) and int(text) <= 65535:
        return None
    return f"must be the number of a port, from 1 to 65535, in quotes; this is {text!r}"


def _of_some_workloads(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "portLevelMtls" not in spec:
        return
    if not spec["portLevelMtls"]:
        report((*path, "portLevelMtls"), "must name at least one port; take it away if none is meant")
    elif not spec.get("selector", {}).get("matchLabels"):
        report(
            (*path, "portLevelMtls"),
            "is for the ports of some workloads: add a `selector` with their labels (a whole namespace has one mode)",
        )


PEER_AUTHENTICATION: Type = Message(
    {"selector": SELECTOR, "mtls": _MUTUAL_TLS, "portLevelMtls": MapOf(_MUTUAL_TLS, _port)},
    rules=(_of_some_workloads,),
)
