"""What runs that were killed have left in a namespace, and how it goes back; only for who holds the namespace's Lease."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes import records
from meshtest.meshes.kubernetes.api import Api, Json, Unreachable
from meshtest.meshes.kubernetes.foreign import Change
from meshtest.meshes.kubernetes.record import ABANDONED, RECORD, Record
from meshtest.meshes.kubernetes.record import records as complete
from meshtest.meshes.kubernetes.restoration import restore
from meshtest.meshes.kubernetes.state import RUN


@dataclass(frozen=True)
class Remains:
    """`objects`: what was touched, the last first, each with its records by number. `scraps` keep records of what was not."""

    objects: tuple[tuple[Record, ...], ...]
    scraps: tuple[Json, ...]
    abandoned: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.objects or self.scraps)


@dataclass(frozen=True)
class Mended:
    """One object taken back: `deleted` or `restored`; `change` is what someone else had done to it, `error` why it could not be."""

    action: str
    title: str
    run: str
    change: Change | None = None
    error: str = ""

    def __str__(self) -> str:
        others = f"; but {self.change}" if self.change else ""
        return self.error or f"{self.action:<8} {self.title} (run {self.run}){others}"


def remains(api: Api, namespace: str) -> Remains:
    """What is left in a namespace, of any run."""
    found = records.read(api, namespace)
    whole, scraps = complete(found)
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for each in whole:
        groups[each.run, each.id.rpartition("-")[0]].append(each)
    touched = [tuple(group) for group in groups.values() if group[0].number == 0]
    rest = {(each.run, each.id) for group in groups.values() if group[0].number for each in group}
    labelled = [each for each in found if _names(each) in rest]
    abandoned = [
        f"{each['kind']} {each['metadata']['name']}" for each in found if ABANDONED in each["metadata"]["labels"]
    ]
    return Remains(tuple(reversed(touched)), (*scraps, *labelled), tuple(abandoned))


def mend(api: Api, namespace: str) -> list[Mended]:
    """Take back all that is left; where one object fails the others are not kept from it."""
    left = remains(api, namespace)
    records.remove(api, left.scraps)
    return [_mended(api, kept) for kept in left.objects]


def would_be(kept: Sequence[Record]) -> Mended:
    """What becomes of an object of these records."""
    return Mended("deleted" if kept[0].before is None else "restored", kept[0].title, kept[0].run)


def _mended(api: Api, kept: Sequence[Record]) -> Mended:
    done = would_be(kept)
    try:
        return replace(done, change=restore(api, kept))
    except Unreachable:
        raise
    except MeshError as error:
        return replace(done, error=str(error))


def _names(holder: Json) -> tuple[str, str]:
    labels = holder["metadata"]["labels"]
    return labels[RUN], labels[RECORD]
