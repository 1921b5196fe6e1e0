"""What is wrong with a resource, as data: one place, one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meshtest.errors import ResourceError
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource, dotted


@dataclass(frozen=True)
class Problem:
    """`unsupported` marks a field that is right but that meshtest's local mesh does not implement yet."""

    resource: Resource
    path: Path
    message: str
    unsupported: bool = False

    @property
    def field(self) -> str:
        """The field as people write it, such as `spec.http[0].route`."""
        return dotted(self.path) or "kind"

    def __str__(self) -> str:
        return f"{self.resource.where(*self.path)}: {self.resource} {self.field}: {self.message}"

    @property
    def refusal(self) -> str:
        """The line `meshtest proxy-config` prints for a field that is not implemented."""
        return f"REFUSED {self.resource} {self.field} {self.resource.where(*self.path)}"


class WrongResources(ResourceError):
    """Resources that are not understood, or not implemented: carries each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def unsupported(self) -> bool:
        """Whether nothing is wrong except that meshtest does not implement it yet."""
        return all(problem.unsupported for problem in self.problems)
