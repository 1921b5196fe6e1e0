"""Which workloads a policy is for (`WorkloadSelector`, `PolicyTargetReference`), after `pkg/config/validation/validation.go`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import ListOf, MapOf, Message, Report, Rule, Text, Type, Unsupported

_GROUP = re.compile(r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*)?")
_KIND = re.compile(r"[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_TARGETS = {
    "Service": ("", "core"),
    "ServiceEntry": ("networking.istio.io",),
    "Gateway": ("gateway.networking.k8s.io",),
    "GatewayClass": ("gateway.networking.k8s.io",),
}
_FIELDS = ("selector", "targetRef", "targetRefs")


def _key(text: str) -> str | None:
    if not text:
        return "must not be empty"
    return "`*` has no meaning in a selector: labels are compared as they are" if "*" in text else None


def _value(text: str) -> str | None:
    if "*" in text:
        return f"`*` has no meaning in a selector: labels are compared as they are; this is {text!r}"
    return None if len(text) <= 63 else "must have at most 63 characters"


def at_most(field: str, number: int) -> Rule:
    """A rule of the CRDs: `field` has at most so many entries."""

    def limited(spec: Mapping[str, Any], path: Path, report: Report) -> None:
        if (count := len(spec.get(field, ()))) > number:
            report((*path, field), f"must have at most {number} entries; these are {count}")

    return limited


SELECTOR = Message(
    {"matchLabels": MapOf(Text(_value), _key)},
    rules=(at_most("matchLabels", 4096),),
    form="{matchLabels: {app: reviews}}",
)


def _group(text: str) -> str | None:
    return None if len(text) <= 253 and _GROUP.fullmatch(text) else f"is no API group: {text!r}"


def _kind(text: str) -> str | None:
    return None if len(text) <= 63 and _KIND.fullmatch(text) else f"is no kind: {text!r}"


def _own(text: str) -> str | None:
    return "must be the policy's own: take the field away" if text else None


def _known(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("group", "") not in _TARGETS.get(spec["kind"], ()):
        known = ", ".join(f"{groups[0] or 'core'}/{kind}" for kind, groups in _TARGETS.items())
        report((*path, "kind"), f"a policy cannot be attached to this; it can be to {known}")


_TARGET = Message(
    {
        "group": Text(_group),
        "kind": Text(_kind),
        "name": Text(lambda text: None if 0 < len(text) <= 253 else "must have 1 to 253 characters"),
        "namespace": Text(_own),
    },
    required=("kind", "name"),
    rules=(_known,),
    form="{kind: Service, name: reviews}",
)

# What a policy may be attached to, beside workloads by their labels: waypoints and gateways of the Gateway API.
TARGETS: Mapping[str, Type] = {
    "selector": SELECTOR,
    "targetRef": Unsupported(inner=_TARGET),
    "targetRefs": Unsupported(inner=ListOf(_TARGET)),
}


at_most_16_targets = at_most("targetRefs", 16)


def one_target(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """A policy has a selector or target references, not both."""
    if len(given := [field for field in _FIELDS if field in spec]) > 1:
        report((*path, given[1]), f"{given[1]!r} and {given[0]!r} exclude each other: keep one")
