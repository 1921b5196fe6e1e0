"""Edits of the traffic policies of a DestinationRule, wherever in it they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.judging.control import Edit
from meshtest.resources.document import Path
from meshtest.resources.edit import At, Change, Put

Json = dict[str, Any]


@dataclass(frozen=True)
class Policies:
    """The change of each traffic policy in a `spec` that has the field `having`: of the host, its ports, its subsets and theirs.

    If none has it, that of the host is changed.
    """

    having: str
    change: Change

    def __call__(self, spec: Mapping[str, Any]) -> Any:
        """The changed copy of the spec."""
        places = [path for path, policy in _policies(spec) if self.having in policy] or [("trafficPolicy",)]
        changed: Any = spec
        for path in places:
            changed = At(path, self.change)(changed)
        return changed


def policy_edit(path: Path, value: Any) -> Edit:
    """A value in the traffic policies that have the first field of the path."""
    return Edit("DestinationRule", Policies(str(path[0]), Put(path, value)))


def _policies(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    owners: list[tuple[Path, Mapping[str, Any]]] = [((), spec)]
    owners += [(("subsets", number), each) for number, each in enumerate(spec.get("subsets") or ())]
    for path, owner in owners:
        policy = owner.get("trafficPolicy") or {}
        yield (*path, "trafficPolicy"), policy
        for number, port in enumerate(policy.get("portLevelSettings") or ()):
            yield (*path, "trafficPolicy", "portLevelSettings", number), port
