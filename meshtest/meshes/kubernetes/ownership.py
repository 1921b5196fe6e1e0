"""Who manages which field of an object: `metadata.managedFields`, with its FieldsV1 trees; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshtest.meshes.kubernetes.state import Path

Json = Any
Entries = Sequence[Mapping[str, Json]]

MANAGER = "meshtest"
"""Our name as a field manager."""
RESTORER = "meshtest-restore"
"""The same, when things go back: a manager that an object had before would get a new time if it were the one who restores."""
_NOBODY = frozenset(
    {MANAGER, RESTORER, "before-first-apply"}
)  # the last is the server's, for an object that had no managers


def given_back(before: Entries, now: Entries, theirs: Sequence[Path]) -> list[Json]:
    """Who managed what before, but for the fields that someone else has changed since (`theirs`): these are managed as now."""
    out = {_identity(entry): _without(entry, theirs) for entry in before if not entry.get("subresource")}
    for entry in now:
        who = _identity(entry)
        if entry.get("subresource") or (entry["manager"] not in _NOBODY and who not in out):
            out[who] = dict(entry)
        elif entry["manager"] not in _NOBODY:
            fields = union(out[who]["fieldsV1"], _only(entry["fieldsV1"], theirs))
            out[who] = {**out[who], "fieldsV1": fields}
    return [entry for entry in out.values() if entry["fieldsV1"]]


def owners(managed: Entries, path: Path) -> Iterator[Mapping[str, Json]]:
    """Others who manage a field, or something in it."""
    return (
        entry
        for entry in managed
        if entry["manager"] not in _NOBODY and _node(entry.get("fieldsV1") or {}, path) is not None
    )


def union(one: Json, other: Json) -> Json:
    """The fields of two trees."""
    out = dict(one)
    for key, value in other.items():
        out[key] = union(out.get(key, {}), value)
    return out


def _identity(entry: Mapping[str, Json]) -> tuple[Json, ...]:
    return tuple(entry.get(key) for key in ("manager", "operation", "apiVersion", "subresource"))


def _node(fields: Json, path: Path) -> Json | None:
    """What is managed at a path and below; {} if it, or what it is part of, is managed as a whole; None if it is not."""
    for key in path:
        if not fields:
            return {}
        if f"f:{key}" not in fields:
            return None
        fields = fields[f"f:{key}"]
    return fields


def _only(fields: Json, paths: Sequence[Path]) -> Json:
    out: Json = {}
    for path in paths:
        node = _node(fields, path)
        if node is not None:
            for key in reversed(path):
                node = {f"f:{key}": node}
            out = union(out, node)
    return out


def _without(entry: Mapping[str, Json], paths: Sequence[Path]) -> dict[str, Json]:
    fields = entry["fieldsV1"]
    for path in paths:
        fields = _cut(fields, path)
    return {**entry, "fieldsV1": fields}


def _cut(fields: Json, path: Path) -> Json:
    key = f"f:{path[0]}"
    if key not in fields:
        return fields
    inner = {} if len(path) == 1 else _cut(fields[key], path[1:])
    rest = {name: value for name, value in fields.items() if name != key}
    return {**rest, key: inner} if inner else rest
