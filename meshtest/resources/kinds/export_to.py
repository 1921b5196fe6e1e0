"""Who may see a resource (`exportTo`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.resources.schema import ListOf, Report, Text


def exported_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """`exportTo` names each namespace once, and none beside `*` or `~`."""
    names = spec.get("exportTo", [])
    seen: set[str] = set()
    for index, each in enumerate(names):
        if each in seen or (each in ("*", "~") and len(names) > 1):
            report((*path, "exportTo", index), f"{each!r} stands beside what says the same already: keep one")
        seen.add(each)


def own_namespace_once(resource: Resource, report: Report) -> None:
    """`.` and the name of the resource's own namespace are the same."""
    names = resource.spec.get("exportTo", [])
    if "." in names and resource.namespace in names:
        at = names.index(resource.namespace)
        report(("spec", "exportTo", at), f"{resource.namespace!r} is what `.` says already: keep one")


EXPORT_TO = ListOf(Text(name.namespace))
