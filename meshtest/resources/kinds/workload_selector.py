"""Which workloads a resource is about, by their labels (`WorkloadSelector` of the networking kinds)."""

from __future__ import annotations

from meshtest.resources.schema import MapOf, Message, Text


def _no_star(text: str) -> str | None:
    return f"labels are compared as they are, without wildcards; this is {text!r}" if "*" in text else None


def _key(text: str) -> str | None:
    return _no_star(text) if text else "a key must not be empty"


_LABELS = MapOf(Text(_no_star, most=63), _key, most=256)
WORKLOAD_SELECTOR = Message({"labels": _LABELS}, form="{labels: {app: reviews}}")
