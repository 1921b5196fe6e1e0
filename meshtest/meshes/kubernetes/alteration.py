"""One object made to be as a resource says: tried first, recorded, then done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Json, Refused
from meshtest.meshes.kubernetes.foreign import ForeignChanges
from meshtest.meshes.kubernetes.ownership import MANAGER
from meshtest.meshes.kubernetes.record import Record, titled
from meshtest.meshes.kubernetes.restoration import ATTEMPTS, current, foreign
from meshtest.meshes.kubernetes.state import made, replaced, state, wanted
from meshtest.resources.resource import Resource


@dataclass(frozen=True)
class Alteration:
    """What is to be done to one object.

    `now` is the object as it was when this was tried (None: there is none), `applied` the state that it will have, and `kept` what the
    run has recorded of it already.
    """

    resource: Resource
    body: Json
    now: Json | None
    applied: Json
    kept: tuple[Record, ...]

    @property
    def target(self) -> Json:
        """What names the object, as records do."""
        metadata = {key: self.body["metadata"][key] for key in ("name", "namespace")}
        return {"apiVersion": self.body["apiVersion"], "kind": self.body["kind"], "metadata": metadata}

    def record(self, run: str, order: int) -> Record:
        """What is written before it is done."""
        before = None if self.kept else self.now
        return Record(run, order, len(self.kept), self.target, before, self.applied)


def tried(api: Api, run: str, resource: Resource, kept: Sequence[Record]) -> Alteration:
    """What a server-side dry run says of a resource: Refused if the API server or a webhook does.

    ForeignChanges if someone else has changed what we have in force.
    """
    sent = wanted(resource, run)
    for _ in range(ATTEMPTS):
        now = current(api, api.path_of(sent))
        if kept and (found := foreign(kept, now)):
            raise ForeignChanges([found])
        body = made(sent) if now is None or (kept and kept[0].before is None) else sent
        try:
            return Alteration(resource, body, now, state(_write(api, body, now, dryRun="All")), tuple(kept))
        except Refused as refused:
            if refused.status != 409:
                raise
    raise _contended(sent)


def carried_out(api: Api, alteration: Alteration) -> Json:
    """Do it; the object then.

    First all of its content in one request, under the condition that it is still what was recorded: server-side apply alone would leave
    other managers' fields in it, which would change what the manifest means (or be refused: `simple` beside `consistentHash`). Then
    server-side apply of the same content, which changes no value: it declares each field ours, so that the next who applies sees a
    conflict. What is new is on the way then, such as a pod that is given its node: there it is enough that it is the same object, and that
    nobody else has changed a field of ours.
    """
    now, body = alteration.now, alteration.body
    ours = [alteration.applied] if now is None else [state(now), alteration.applied]
    for _ in range(ATTEMPTS):
        try:
            written = _write(api, body, now)
            ours.append(state(written))
            return _declared(api, body, written) if now else _claimed(api, body, written)
        except Refused as refused:
            if refused.status != 409:
                raise
        now = current(api, api.path_of(body))
        if now is None or state(now) not in ours:
            raise _contended(body)
    raise _contended(body)  # its status changes all the time


def _write(api: Api, body: Json, now: Json | None, **query: object) -> Json:
    asked: dict[str, Any] = {"fieldManager": MANAGER, "fieldValidation": "Strict", **query}
    if now is None:
        return api.send("POST", api.collection_of(body), body, **asked)
    return api.send("PUT", api.path_of(body), replaced(now, body), **asked)


def _declared(api: Api, body: Json, written: Json) -> Json:
    return api.apply(_only(body, written, "resourceVersion"), manager=MANAGER, force=True)


def _claimed(api: Api, body: Json, written: Json) -> Json:
    """Declare what is new; Refused if someone else has given a field another value."""
    same = _only(body, written, "uid")
    try:
        return api.apply(same, manager=MANAGER)
    except Refused as refused:
        if not _with_ourselves(refused):
            raise
    return api.apply(same, manager=MANAGER, force=True)


def _with_ourselves(refused: Refused) -> bool:
    """Whether it is a conflict with nothing but what we wrote: into a field that is taken as a whole the server has filled in a default."""
    said = [str(each.get("message")) for each in refused.causes]
    return bool(said) and all(each.startswith(f'conflict with "{MANAGER}"') for each in said)


def _only(body: Json, written: Json, condition: str) -> Json:
    """The body under the condition that the object is still the same in this."""
    return {**body, "metadata": {**body["metadata"], condition: written["metadata"][condition]}}


def _contended(body: Json) -> MeshError:
    return MeshError(
        f"{titled(body)} is being changed by someone else at this moment; "
        "run the tests in namespaces that nobody works in (a GitOps tool that watches them must be paused)"
    )
