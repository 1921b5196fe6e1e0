"""What a test needs of a mesh, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology
from meshtest.traffic.request import Request


@dataclass(frozen=True)
class Target:
    """Where a request is to be sent: a socket address, the Host it asks for, the address it comes from (None for any)."""

    address: tuple[str, int]
    host: str
    source: str | None = None


@dataclass(frozen=True)
class Destination:
    """Where a rule sends requests: `share` is 0..1; `missing` says what does not exist of it, and the remedy (empty if it does)."""

    host: str
    subset: str
    share: float
    missing: str = ""

    def __str__(self) -> str:
        name = self.host.partition(".")[0]
        return f"{name} {self.subset}".strip() + f" {100 * self.share:.4g} %"


@dataclass(frozen=True)
class Rule:
    """The rule that decides a request: an entry of the `http` list of a VirtualService, where it stands, and where it sends requests."""

    resource: str
    number: int
    where: str
    destinations: tuple[Destination, ...] = ()

    @property
    def field(self) -> str:
        """The entry as people write it."""
        return f"spec.http[{self.number}]"

    def __str__(self) -> str:
        sends = f" (to {', '.join(map(str, self.destinations))})" if self.destinations else ""
        return f"{self.resource} {self.field} at {self.where}{sends}"


class Mesh(Protocol):
    """Where resources take effect."""

    kind: str
    topology: Topology
    """What exists there, apart from the resources that are put in force."""

    def put(self, resources: Mapping[tuple[str, str, str, str], Resource]) -> None:
        """Make exactly these resources (by their keys) be in force; returns when every proxy concerned has acknowledged it."""

    def enter(self, request: Request) -> Target:
        """Where a request enters through the ingress gateway."""

    def leave(self, workload: str, request: Request) -> Target:
        """Where a request of a workload leaves it, through its sidecar."""

    def rule(self, workload: str | None, request: Request) -> Rule | None:
        """The rule that decides a request from a workload, or at the ingress gateway (None); None if no rule does."""

    def readiness(self) -> Target:
        """Where the ingress gateway says whether it is ready."""

    def check(self) -> None:
        """MeshError if the surroundings are broken: a proxy or a workload that has ended."""

    def workloads(self) -> Sequence[str]:
        """The names of all workloads, gateways included."""

    def close(self) -> None:
        """End it; leaves nothing."""
