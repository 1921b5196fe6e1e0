"""Changes by others to what a run has in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.ownership import owners
from meshtest.meshes.kubernetes.state import ABSENT, Path, at
from meshtest.resources.resource import dotted

Json = Any


@dataclass(frozen=True)
class Change:
    """What someone else did to an object: the fields, and their managers' names, each with the time of its last change.

    No `fields` means the object as a whole: it was deleted, or another is there of the same name. `note` says what became of it.
    """

    title: str
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        by = " and ".join(self.managers) or "someone (the API server does not say who removes things)"
        what = f"{', '.join(self.fields)} changed by {by}" if self.fields else f"deleted or replaced by {by}"
        return f"{self.title}: {what}" + (f"; {self.note}" if self.note else "")


class ForeignChanges(MeshError):
    """Someone else changed what a test had in force: what it measured may not be what it applied."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = tuple(changes)
        lines = "\n".join(f"  {each}" for each in changes)
        super().__init__(
            f"someone else changed what this run has in force; theirs stays as it is:\n{lines}\n"
            "run the tests in namespaces that nobody works in (a GitOps tool that watches them must be paused)"
        )


def change(title: str, now: Json, paths: Sequence[Path], note: str = "") -> Change:
    """What was changed in an object as it is `now` (None if it is gone), and by whom."""
    managed: Sequence[Mapping[str, Any]] = (now or {}).get("metadata", {}).get("managedFields") or ()
    found = {
        f"{entry['manager']} ({entry.get('time', 'time unknown')})"
        for path in paths
        if at(now, path) is not ABSENT
        for entry in owners(managed, path)
    }
    return Change(title, tuple(map(dotted, paths)), tuple(sorted(found)), note)
