"""What must hold of something that has to be brought about first: limits that trip, hosts that are ejected, changes under load."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from meshtest.judging.answers import Answers
from meshtest.judging.control import Control, Edit
from meshtest.judging.expectation import Expectation
from meshtest.judging.verdict import Judgement

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Lab(Protocol):
    """What an experiment can do: send the request in question, and meddle with the workloads that answer it."""

    def send(
        self,
        requests: int | None = None,
        *,
        seconds: float | None = None,
        connections: int | None = None,
        rate: float | None = None,
        causes: bool = False,
        timeout: float | None = None,
    ) -> Answers:
        """Send the request so often, on so many connections at once; what came back."""

    def flow(self, **options: Any) -> AbstractContextManager[Any]:
        """Send it all the while in the background (the options of `send`)."""

    @property
    def host(self) -> str:
        """The host that the request in question asks for, without a port."""

    def handshake(
        self,
        *,
        version: str | None = None,
        ciphers: str | None = None,
        client: str = "none",
        server_name: str | None = None,
    ) -> Any:
        """A TLS handshake where the request would be sent (`meshtest.judging.handshake.Negotiated`)."""

    def kept(self) -> AbstractContextManager[None]:
        """A while after which what the test has applied is again what it was before."""

    def apply(self, *resources: Any) -> None:
        """Put resources in force, as `mesh.apply` does; returns when every proxy has them."""

    def edit(self, edits: Iterable[Edit]) -> None:
        """Change what the test has applied; returns when every proxy has it."""

    def progress(self, text: str) -> None:
        """Show how far the experiment is."""


class Experiment(Protocol):
    """What must hold, and how to see it. `str` of it completes the sentence "the traffic must be ..."."""

    @property
    def configured(self) -> str:
        """The configured figures in short, for a table."""

    @property
    def error_rates(self) -> str:
        """The stated probabilities of a wrong verdict, for a table; "exact" where chance plays no part."""

    def conduct(self, lab: Lab) -> Judgement:
        """Bring it about and judge what happened. Leaves workloads as they were."""

    def strict(self) -> Experiment:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""

    def controls(self) -> Sequence[Control]:
        """Meshes that are wrong by exactly the stated margin."""


def proved(lab: Lab, expectation: Expectation) -> Judgement:
    """The judgement on an expectation of the request in question, which is sent until there is a verdict, or nobody answers any more."""
    trial = expectation.begin()
    while trial.verdict is None:
        answers = lab.send(trial.suggested_batch())
        trial.take(answers)
        if not answers.answered:
            break
    return trial.judgement()
