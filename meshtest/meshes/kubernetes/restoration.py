"""Bringing an object back to what it was before a run touched it, from its records alone; harmless when repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes import records
from meshtest.meshes.kubernetes.api import Api, Json, Missing, Refused
from meshtest.meshes.kubernetes.foreign import Change, change
from meshtest.meshes.kubernetes.ownership import MANAGER, RESTORER, given_back, owners
from meshtest.meshes.kubernetes.record import Record, holders
from meshtest.meshes.kubernetes.repeating import Exhausted, Passing, repeat
from meshtest.meshes.kubernetes.state import ABSENT, MANAGED_BY, RUN, Path, meddled, merged, nearest, state

ATTEMPTS = 10  # an object whose status is written all the time conflicts now and then
GONE = 60.0  # seconds until an object that is deleted is gone; finalizers may take theirs


def restore(api: Api, kept: Sequence[Record], live: bool = False) -> Change | None:
    """Take back what the records of one object tell, then remove them; what someone else has changed in the meantime, if anything.

    Theirs stays, and the record of what it was before is kept for a person. `live` tells that the object is known to have been
    touched: then its absence is someone else's doing.
    """
    first = kept[0]
    path = api.path_of(first.target)
    for _ in range(ATTEMPTS):
        now = current(api, path)
        try:
            found = _unmade(api, path, kept, now, live) if first.before is None else _restored(api, path, kept, now)
        except Refused as refused:
            if refused.status == 409:
                continue
            raise MeshError(
                f"{first.title} cannot be restored: {refused.said}; restore it by hand, then `meshtest clean` again. "
                f"What it was before is in {holders(first)[0]['kind']} {holders(first)[0]['metadata']['name']}"
            ) from refused
        return _closed(api, kept, found)
    raise MeshError(
        f"{first.title} cannot be restored: someone else changes it all the time; `meshtest clean` tries again"
    )


def current(api: Api, path: str) -> Json | None:
    """An object as it is now; None if there is none."""
    try:
        return api.get(path)
    except Missing:
        return None


def foreign(kept: Sequence[Record], now: Json | None) -> Change | None:
    """What someone else has changed in an object that we have touched, of what a test relies on."""
    first = kept[0]
    if now is None or not _same(first, now):
        return change(first.title, None, ())
    before, applied = _sides(kept, now)
    if state(now) == before and not _touched(first, now):
        return None
    paths = meddled(merged(before, applied, state(now), _theirs(now))[1], before, applied)
    return change(first.title, now, paths) if paths else None


def _closed(api: Api, kept: Sequence[Record], found: Change | None) -> Change | None:
    """Remove the records; but if there is something that only they know, leave the first, and say so."""
    lost = found is not None and kept[0].before is not None
    for record in kept[:0:-1] if lost else kept[::-1]:
        records.remove(api, holders(record))
    if found is None or not lost:
        return found
    note = records.abandon(api, kept[0])
    return Change(found.title, found.fields, found.managers, note)


def _sides(kept: Sequence[Record], now: Json) -> tuple[Json, Json]:
    """What an object was before (ABSENT if it did not exist), and what we made of it."""
    before = kept[0].before
    applied = nearest([each.applied for each in kept], state(now))
    return (ABSENT if before is None else state(before)), applied


def _theirs(now: Json) -> Callable[[Path], bool]:
    managed = now["metadata"].get("managedFields") or ()
    return lambda path: any(owners(managed, path))


def _same(first: Record, now: Json) -> bool:
    """Whether it is the object that the run touched, and not another of the same name."""
    metadata = now["metadata"]
    if first.before is None:
        return bool((metadata.get("labels") or {}).get(RUN) == first.run)
    return bool(metadata["uid"] == first.before["metadata"]["uid"]) and "deletionTimestamp" not in metadata


def _touched(first: Record, now: Json) -> bool:
    """Whether it was not only recorded: each change of ours leaves our label or our name, until all is restored."""
    managers = {entry["manager"] for entry in now["metadata"].get("managedFields") or ()}
    labels = now["metadata"].get("labels") or {}
    return labels.get(RUN) == first.run or not managers.isdisjoint({MANAGER, RESTORER})


def _unmade(api: Api, path: str, kept: Sequence[Record], now: Json | None, live: bool) -> Change | None:
    """Delete what the run made, and only that."""
    if now is None or not _same(kept[0], now):
        return change(kept[0].title, None, ()) if live else None
    if found := foreign(kept, now):
        return _released(api, path, now, found)
    metadata = now["metadata"]
    if "deletionTimestamp" not in metadata:
        only = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        api.send("DELETE", path, {"preconditions": only, "propagationPolicy": "Background"})
    _wait_gone(api, path, metadata["uid"])
    return None


def _released(api: Api, path: str, now: Json, found: Change) -> Change:
    """Leave it to who changed it: it is no longer ours."""
    metadata = {"labels": {RUN: None, MANAGED_BY: None}, "resourceVersion": now["metadata"]["resourceVersion"]}
    api.send("PATCH", path, {"metadata": metadata}, content_type="application/merge-patch+json", fieldManager=MANAGER)
    return Change(
        found.title, found.fields, found.managers, "this run made it; it is left in place, without the run's labels"
    )


def _wait_gone(api: Api, path: str, uid: str) -> None:
    def look() -> None:
        now = current(api, path)
        if now is not None and now["metadata"]["uid"] == uid:
            waits = ", ".join(now["metadata"].get("finalizers") or ())
            raise Passing(f"it waits for {waits}" if waits else "it is being deleted", after=0.2)

    try:
        repeat(look, GONE)
    except Exhausted as exhausted:
        raise MeshError(f"{path} is still there {GONE:.0f} s after it was deleted: {exhausted}") from exhausted


def _restored(api: Api, path: str, kept: Sequence[Record], now: Json | None) -> Change | None:
    """Give what existed its state back, then its managers: the server takes both only one after the other."""
    first = kept[0]
    if now is None or not _same(first, now):
        return change(first.title, None, ())
    if not _touched(first, now):
        return None
    before, applied = _sides(kept, now)
    target, theirs = (before, []) if state(now) == before else merged(before, applied, state(now), _theirs(now))
    managed = now["metadata"].get("managedFields") or ()
    if state(now) != target:
        now = api.send("PUT", path, _whole(first.before, target, now), fieldManager=RESTORER)
    back = given_back(first.before["metadata"].get("managedFields") or (), managed, theirs)
    if not _alike(back, now["metadata"].get("managedFields") or ()):
        body = _whole(first.before, target, now)
        body["metadata"]["managedFields"] = back or [{}]  # so says Kubernetes: one empty entry takes all away
        api.send("PUT", path, body, fieldManager=RESTORER)
    reported = meddled(theirs, before, applied)
    return change(first.title, now, reported) if reported else None


def _whole(before: Json, target: Json, now: Json) -> dict[str, Json]:
    """What is sent: a state, in the object as it is now."""
    own = {key: now["metadata"][key] for key in ("resourceVersion", "uid")}
    status = {"status": now["status"]} if "status" in now else {}
    named = {key: before[key] for key in ("apiVersion", "kind")}
    return {**named, **target, "metadata": {**target["metadata"], **own}, **status}


def _alike(one: Sequence[Json], other: Sequence[Json]) -> bool:
    """Whether two lists of managers say the same, in any order."""
    return sorted(map(_text, one)) == sorted(map(_text, other))


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
