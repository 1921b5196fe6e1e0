"""Records in the cluster: written before an object is touched, removed when it is restored."""

from __future__ import annotations

from collections.abc import Iterable

from meshtest.meshes.kubernetes.api import Api, Json, Missing, Refused
from meshtest.meshes.kubernetes.record import ABANDONED, RECORD, Record, holders

_KINDS = ("configmaps", "secrets")


def write(api: Api, record: Record) -> None:
    """Write it, with all its parts, before anything else is done."""
    for holder in reversed(holders(record)):
        api.send("POST", api.collection_of(holder), holder)


def read(api: Api, namespace: str) -> list[Json]:
    """What keeps records in a namespace, of any run. Who may not list Secrets has kept none there."""
    found: list[Json] = []
    for kind in _KINDS:
        try:
            found += api.list(f"/api/v1/namespaces/{namespace}/{kind}", labelSelector=RECORD)
        except Refused as refused:
            if kind == "configmaps" or refused.status != 403:
                raise
    return found


def remove(api: Api, kept: Iterable[Json]) -> None:
    """Remove what keeps records."""
    for holder in kept:
        try:
            api.send("DELETE", api.path_of(holder))
        except Missing:
            continue


def abandon(api: Api, record: Record) -> str:
    """Leave it for a person; how to look at what it holds."""
    label = {"metadata": {"labels": {ABANDONED: "true"}}}
    names = []
    for holder in holders(record):
        names.append(holder["metadata"]["name"])
        api.send("PATCH", api.path_of(holder), label, content_type="application/merge-patch+json")
    kind = holders(record)[0]["kind"].lower()
    decoded = "{.data.record}" if kind == "configmap" else "{.data.record}' | base64 -d '"
    shown = " ".join(f"kubectl -n {record.namespace} get {kind} {name} -o jsonpath='{decoded}';" for name in names)
    return f"what it was before stays in {kind} {', '.join(names)} ({shown.rstrip(';')}), until you delete it"
