"""What can go wrong, by whose fault.

MeshtestError
├── ResourceError      the author's: a resource that is not understood (file, line, path, and what was meant)
└── MeshError          the surroundings': Envoy did not start or rejected its configuration, no convergence in time
PolicyViolation        the mesh's: an AssertionError, so that pytest and Allure show *failed*, not *broken*

Wrong options on the command line are ``pytest.UsageError``; wrong arguments of a function are ``ValueError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshtest.judging.verdict import Judgement


class MeshtestError(Exception):
    """Anything that kept meshtest from reaching a verdict."""


class ResourceError(MeshtestError):
    """A resource that is not understood: the author's to mend.

    The message is one problem a line, each starting with ``file:line: Kind namespace/name path:`` as far as these are known.
    """


class MeshError(MeshtestError):
    """The surroundings did not do their part: Envoy, a workload, an address, a deadline."""


class AnalysisWarning(UserWarning):
    """Resources that a test applies probably do not do what their author meant (see `meshtest analyze`)."""


class PolicyViolation(AssertionError):
    """The mesh did not do what the test states must hold; carries the judgement with its figures."""

    def __init__(self, message: str, judgement: Judgement | None = None) -> None:
        super().__init__(message)
        self.judgement = judgement


class OnlyPlanned(MeshError):
    """A test asks for what comes after its resources are applied, and this run only says what would be applied (`--mesh-plan`)."""
