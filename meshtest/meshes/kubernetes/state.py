"""What of an object is its state, and how two who changed it are told apart; pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from meshtest.resources.resource import Resource

Json = Any
Path = tuple[str, ...]

RUN, MANAGED_BY = "meshtest.dev/run", "app.kubernetes.io/managed-by"
"""Labels of what a run has in force; the second only of what it made."""

_SERVERS = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)  # metadata that the API server writes


class _Absent:
    """What is not there; `null` is something else."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def state(found: Json) -> dict[str, Json]:
    """An object without what the server and its controllers write: status, versions, times, who manages what.

    Nor with its apiVersion: one object can be read in several.
    """
    rest = {key: value for key, value in found.items() if key not in ("apiVersion", "kind", "status", "metadata")}
    metadata = {key: value for key, value in found["metadata"].items() if key not in _SERVERS}
    return {**rest, "metadata": metadata}


def wanted(resource: Resource, run: str) -> dict[str, Json]:
    """What is sent for a resource: as its author wrote it, in its namespace, with the run's label.

    What the API server writes is left out: a manifest may be what `kubectl get -o yaml` printed.
    """
    body = copy.deepcopy({key: value for key, value in resource.body.items() if key != "status"})
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVERS}
    labels = {**resource.labels, RUN: run}
    body["metadata"] = {**metadata, "namespace": resource.namespace, "labels": labels}
    return body


def made(body: Mapping[str, Json]) -> dict[str, Json]:
    """The same of an object that did not exist: meshtest's own."""
    labels = {**body["metadata"]["labels"], MANAGED_BY: "meshtest"}
    return {**body, "metadata": {**body["metadata"], "labels": labels}}


def replaced(found: Json, body: Mapping[str, Json]) -> dict[str, Json]:
    """An object that exists made to be as `body` says, as `kubectl replace` does; but labels and annotations of other tools stay."""
    old, new = found["metadata"], body["metadata"]
    metadata = {key: value for key, value in {**old, **new}.items() if key != "managedFields"}
    for part in ("labels", "annotations"):
        stay = {key: value for key, value in (old.get(part) or {}).items() if not decides(key)}
        metadata[part] = {**stay, **(new.get(part) or {})}
    status = {"status": found["status"]} if "status" in found else {}
    return {**body, "metadata": metadata, **status}


def decides(key: str) -> bool:
    """Whether a label or annotation may decide what the mesh does: it has no domain, or Istio's.

    Others belong to tools that watch the object (Argo CD, Flux, Helm, kubectl): without them it would be lost to them.
    """
    domain, slash, _ = key.partition("/")
    return not slash or domain == "istio.io" or domain.endswith(".istio.io")


def merged(
    before: Json, applied: Json, now: Json, theirs: Callable[[Path], bool], path: Path = ()
) -> tuple[Json, list[Path]]:
    """What takes back our change and nothing else: the state then, and the fields that someone else has changed since, which stay.

    A field that is not as we `applied` it is someone else's change if it is gone or is `theirs`; else the server has filled it in, and
    it goes. Lists count as a whole.
    """
    if now == applied:
        return before, []
    if not now or not isinstance(now, dict) or not (applied is ABSENT or isinstance(applied, dict)):
        return (now, [path]) if now is ABSENT or theirs(path) else (before, [])
    out: dict[str, Json] = {}
    kept: list[Path] = []
    for key in dict.fromkeys([*_fields(before), *now, *_fields(applied)]):
        old, ours, new = (at(each, (key,)) for each in (before, applied, now))
        value, found = merged(old, ours, new, theirs, (*path, key))
        kept += found
        if value is not ABSENT:
            out[key] = value
    return (out, kept) if kept else (before, [])


def differences(one: Json, other: Json) -> list[Path]:
    """The fields in which two states differ."""
    return merged(other, one, other, lambda path: True)[1]


def nearest(applied: Sequence[Json], now: Json) -> Json:
    """Which of the states that we may have made an object has come to be what it is now: that with the fewest differences."""
    return min(applied, key=lambda each: len(differences(each, now)))


def meddled(paths: Sequence[Path], before: Json, applied: Json) -> list[Path]:
    """Of the fields that someone else has changed those that a test relies on: all but metadata that we had left as it was."""
    return [path for path in paths if path[:1] != ("metadata",) or at(applied, path) != at(before, path)]


def at(value: Json, path: Path) -> Json:
    """What stands at a path; ABSENT if nothing does."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


def _fields(value: Json) -> Sequence[str]:
    return list(value) if isinstance(value, dict) else ()
