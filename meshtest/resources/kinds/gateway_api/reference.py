"""References from one object to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.names import GROUP, KIND, NAME, NAMESPACE, PORT_NUMBER, SECTION
from meshtest.resources.schema import ListOf, Message, Report, Rule, Type, Whole

LOCAL = Message({"group": GROUP, "kind": KIND, "name": NAME}, required=("group", "kind", "name"))
ANYWHERE = Message(
    {"group": GROUP, "kind": KIND, "name": NAME, "namespace": NAMESPACE}, required=("group", "kind", "name")
)
SECRET = Message(
    {"group": GROUP, "kind": KIND, "name": NAME, "namespace": NAMESPACE}, required=("name",), nullable=("group", "kind")
)


def _sections(refs: list[Mapping[str, Any]], kind: str, path: Path, report: Report) -> None:
    """Several references to one object name different sections of it."""
    for index, ref in enumerate(refs):
        for before in refs[:index]:
            keys = ("group", "kind", "name", "namespace")
            same = all(_or_default(ref, key, kind) == _or_default(before, key, kind) for key in keys)
            if same and ref.get("sectionName") == before.get("sectionName"):
                report((*path, index), f"refers to what {_ordinal(refs.index(before))} of the list refers to: keep one")
                return
            if same and not (ref.get("sectionName") and before.get("sectionName")):
                report(
                    (*path, index), "several references to one object must each name its section: give a sectionName"
                )
                return


def _ordinal(index: int) -> str:
    return f"item {index}"


def _or_default(ref: Mapping[str, Any], key: str, kind: str) -> str:
    defaults = {"group": "gateway.networking.k8s.io", "kind": kind}
    return str(ref.get(key, defaults.get(key, "")))


def _parents_differ(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    _sections(spec.get("parentRefs", []), "Gateway", (*path, "parentRefs"), report)


def targets_differ(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """Each target is named once, or by different sections."""
    _sections(spec.get("targetRefs", []), "", (*path, "targetRefs"), report)


PARENT_RULE: Rule = _parents_differ
PARENT_REFS = ListOf(
    Message(
        {
            "group": GROUP,
            "kind": KIND,
            "namespace": NAMESPACE,
            "name": NAME,
            "sectionName": SECTION,
            "port": PORT_NUMBER,
        },
        required=("name",),
        nullable=("group", "kind"),
        form="{name: my-gateway}",
    ),
    most=32,
)


def with_port(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """A Service is called at a port."""
    if not spec.get("group") and spec.get("kind", "Service") == "Service" and "port" not in spec:
        report(path, "the field 'port' is missing: which port of the Service?")


BACKEND_FIELDS: Mapping[str, Type] = {
    "group": GROUP,
    "kind": KIND,
    "name": NAME,
    "namespace": NAMESPACE,
    "port": PORT_NUMBER,
}
BACKEND = Message(BACKEND_FIELDS, required=("name",), nullable=("group", "kind"), rules=(with_port,))
WEIGHTED_FIELDS: Mapping[str, Type] = {**BACKEND_FIELDS, "weight": Whole(0, 1_000_000)}
WEIGHTED_BACKEND = Message(
    WEIGHTED_FIELDS,
    required=("name",),
    nullable=("group", "kind", "weight"),
    rules=(with_port,),
    form="{name: reviews, port: 9080}",
)
