"""Objects that stand twice in one file: the API server keeps the last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshtest.analysis.catalogue import TWICE_IN_FILE
from meshtest.analysis.finding import Finding
from meshtest.analysis.world import Key
from meshtest.resources.resource import Resource


def check(found: Iterable[Resource]) -> Iterator[Finding]:
    """Each object that one before it in the same file has the name of; over several files there may be alternatives."""
    seen: dict[tuple[str, Key], Resource] = {}
    for resource in found:
        first = seen.setdefault((resource.file, resource.key), resource)
        if first is not resource:
            message = (
                f"{resource} stands in this file already (line {first.line()}), and this one replaces it. Give it "
                "another name, or put the two together"
            )
            yield TWICE_IN_FILE.at(resource, ("metadata", "name"), message)
