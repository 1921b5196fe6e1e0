"""What is written in the cluster before an object is touched, so that whoever comes next can restore it; pure.

A record never changes: each change of an object writes one of its own. The first says what the object was before (null if it did
not exist); each says what it is about to become. It is kept in ConfigMaps in the namespace of the object (in Secrets, if that is a
Secret), a large one in several: it counts when all its parts are there, and the object is touched no earlier.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtest.meshes.kubernetes.state import MANAGED_BY, RUN

Json = Any

RECORD = "meshtest.dev/record"
"""The label that tells a record (and which one its parts make up)."""
ABANDONED = "meshtest.dev/abandoned"
"""The label of a record whose object someone else has changed: it is kept for a person to look at, and nothing else."""
PART, OBJECT = "meshtest.dev/part", "meshtest.dev/object"
SIZE = 900_000
"""Bytes of one part; Kubernetes allows 1 MiB for a ConfigMap."""
_DATA = "record"


@dataclass(frozen=True)
class Record:
    """`number` counts the changes of one object, `order` the objects of the run. `applied` is the state that it is to have.

    `target` is its apiVersion, kind, and metadata with namespace and name.
    """

    run: str
    order: int
    number: int
    target: Mapping[str, Json] = field(hash=False)
    before: Json = field(repr=False, hash=False)
    applied: Json = field(repr=False, hash=False)

    @property
    def namespace(self) -> str:
        """The namespace of the object, and of the record."""
        return str(self.target["metadata"]["namespace"])

    @property
    def title(self) -> str:
        """The object as people write it."""
        return titled(self.target)

    @property
    def id(self) -> str:
        """One for each object and change."""
        named = [self.target["apiVersion"].rpartition("/")[0], self.target["kind"], self.target["metadata"]["name"]]
        digest = hashlib.sha256("/".join(named).encode()).hexdigest()[:12]
        return f"{digest}-{self.number}"


def titled(found: Json) -> str:
    """`Kind namespace/name` of an object."""
    return f"{found['kind']} {found['metadata']['namespace']}/{found['metadata']['name']}"


def holders(record: Record, size: int = SIZE) -> list[dict[str, Json]]:
    """The objects that keep a record, in the order of their parts."""
    parts = {"order": record.order, "object": record.target, "before": record.before, "applied": record.applied}
    text = json.dumps(parts, separators=(",", ":"))
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    return [_holder(record, f"{number}/{len(chunks)}", chunk) for number, chunk in enumerate(chunks)]


def _holder(record: Record, part: str, chunk: str) -> dict[str, Json]:
    secret = (record.target["apiVersion"], record.target["kind"]) == ("v1", "Secret")
    data = base64.b64encode(chunk.encode()).decode() if secret else chunk
    metadata = {
        "name": f"meshtest-{record.run}-{record.id}-{part.partition('/')[0]}",
        "namespace": record.namespace,
        "labels": {RUN: record.run, MANAGED_BY: "meshtest", RECORD: record.id},
        "annotations": {PART: part, OBJECT: record.title},
    }
    kind = "Secret" if secret else "ConfigMap"
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "immutable": True, "data": {_DATA: data}}


def records(found: Iterable[Json]) -> tuple[list[Record], list[Json]]:
    """The records that are complete, by order and number; and what is left of others, whose objects were not touched (or are restored).

    Abandoned ones are in neither.
    """
    groups: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for each in found:
        labels = each["metadata"]["labels"]
        if ABANDONED not in labels:
            groups[labels[RUN], labels[RECORD]].append(each)
    whole: list[Record] = []
    scraps: list[Json] = []
    for parts in groups.values():
        record = _record(parts)
        if record is None:
            scraps += parts
        else:
            whole.append(record)
    return sorted(whole, key=lambda each: (each.order, each.number)), scraps


def _record(parts: list[Json]) -> Record | None:
    """What parts make up; None if one is missing."""
    numbered = {each["metadata"]["annotations"][PART]: each for each in parts}
    total = int(next(iter(numbered)).partition("/")[2])
    names = [f"{number}/{total}" for number in range(total)]
    if set(names) != set(numbered):
        return None
    told = json.loads("".join(_text(numbered[name]) for name in names))
    labels = parts[0]["metadata"]["labels"]
    number = int(labels[RECORD].rpartition("-")[2])
    return Record(labels[RUN], told["order"], number, told["object"], told["before"], told["applied"])


def _text(holder: Json) -> str:
    data = str(holder["data"][_DATA])
    return base64.b64decode(data).decode() if holder["kind"] == "Secret" else data
