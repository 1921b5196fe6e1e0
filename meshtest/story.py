"""What happens in a test, told while it happens, for reports that want its steps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from meshtest.evidence import Finding
    from meshtest.resources.resource import Resource
    from meshtest.traffic.sample import Sample


class Story(Protocol):
    """Who listens."""

    def begin(self, nodeid: str, doc: str, mesh: str) -> None:
        """A test begins that uses a mesh of this kind; `doc` is its docstring."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """A step of the test, as long as it takes."""

    def applies(self, title: str, resources: Sequence[Resource]) -> AbstractContextManager[None]:
        """A step in which these are put in force."""

    def found(self, finding: Finding, sample: Sample | None) -> None:
        """A verdict, and what was measured for it if it is not in several samples."""


class Untold:
    """Nobody listens."""

    def begin(self, nodeid: str, doc: str, mesh: str) -> None:
        """Nothing."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def applies(self, title: str, resources: Sequence[Resource]) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def found(self, finding: Finding, sample: Sample | None) -> None:
        """Nothing."""


STORY = pytest.StashKey[Story]()
"""Where a pytest process keeps who listens to its tests."""
