"""What the changes of one resource need to know of the others, and how large they are to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshtest.resources.resource import Resource


@dataclass(frozen=True)
class Surroundings:
    """All resources, and the number of percentage points by which a share is moved."""

    resources: Sequence[Resource]
    points: float

    @cached_property
    def destinations(self) -> tuple[str, ...]:
        """The hosts that rules send to, each once."""
        return tuple(dict.fromkeys(host for each in self.resources for host in _hosts(each.body.get("spec"))))

    def subsets(self, host: str) -> list[str]:
        """The names of the subsets that DestinationRules give a host, which may be written in full or not."""
        return [
            str(subset.get("name"))
            for each in self.resources
            if each.kind == "DestinationRule" and _same(str(each.spec.get("host")), host)
            for subset in each.spec.get("subsets") or ()
        ]


def _same(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _hosts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "destination" and isinstance(item, dict) and isinstance(item.get("host"), str):
                yield item["host"]
            else:
                yield from _hosts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _hosts(item)
