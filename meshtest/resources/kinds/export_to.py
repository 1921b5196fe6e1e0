"""Who may see a resource (`exportTo`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.schema import ListOf, Report, Text


def exported_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """`exportTo` names each namespace once, and none beside `*` or `~`."""
    names = spec.get("exportTo", [])
    seen: set[str] = set()
    for index, each in enumerate(names):
        if each in seen or (each in ("*", "~") and len(names) > 1):
            report((*path, "exportTo", index), f"{each!r} stands beside what says the same already: keep one")
        seen.add(each)


EXPORT_TO = ListOf(Text(name.namespace))
