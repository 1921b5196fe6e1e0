"""Header operations (`TranslateHeadersOperations` in `route/route.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class HeaderOperations:
    """Envoy's fields for a `headers` block, and the host it sets, if any."""

    fields: Json = field(default_factory=dict)
    authority: str = ""


_NONE = HeaderOperations()


def header_operations(headers: Mapping[str, Any] | None) -> HeaderOperations:
    """What is set overwrites, what is added is appended; each sorted by name. Pseudo-headers and the host are no headers here."""
    if not headers:
        return _NONE
    fields: Json = {}
    authority = ""
    for side in ("request", "response"):
        given = headers.get(side, {})
        if add := _values(given.get("set", {}), "OVERWRITE_IF_EXISTS_OR_ADD") + _values(
            given.get("add", {}), "APPEND_IF_EXISTS_OR_ADD"
        ):
            fields[f"{side}_headers_to_add"] = add
        if remove := [name for name in given.get("remove", []) if not _internal(name)]:
            fields[f"{side}_headers_to_remove"] = remove
        if side == "request":
            authority = _authority(given.get("set", {})) or _authority(given.get("add", {}))
    return HeaderOperations(fields, authority)


def _values(values: Mapping[str, str], action: str) -> list[Json]:
    default = action == "APPEND_IF_EXISTS_OR_ADD"  # which Envoy's JSON leaves out
    return [
        {"header": {"key": name, "value": value}, **({} if default else {"append_action": action})}
        for name, value in sorted(values.items())
        if not _internal(name)
    ]


def _internal(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"


def _authority(values: Mapping[str, str]) -> str:
    return next((value for name, value in reversed(list(values.items())) if name.lower() in ("host", ":authority")), "")
