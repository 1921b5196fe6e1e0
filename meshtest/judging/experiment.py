"""What must hold of something that has to be brought about first: limits that trip, hosts that are ejected, changes under load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from meshtest.judging.answers import Answers, Reading
from meshtest.judging.control import Control, Edit
from meshtest.judging.expectation import Expectation
from meshtest.judging.verdict import Judgement

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class Variant:
    """What a request has besides: `headers`, and parameters of its `query`."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


class Host(Protocol):
    """How a proxy sees a host of a cluster; `flags` say why it gets no requests (`failed_outlier_check`)."""

    @property
    def cluster(self) -> str:
        """The cluster's name."""

    @property
    def instance(self) -> str:
        """Whose it is: the pod's name."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Why it gets no requests, in Envoy's words."""

    @property
    def stats(self) -> Mapping[str, int]:
        """Its own counters and gauges, such as ``rq_total``."""


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
        reading: Reading | None = None,
    ) -> Answers:
        """Send the request so often, on so many connections at once; what came back. `reading` reads each answer instead of the load's."""

    def each(self, variants: Sequence[Variant], *, fresh: bool = False, reading: Reading | None = None) -> Answers:
        """Send each variant of the request once, one after the other on one connection, or each on a `fresh` one; what came back."""

    def flow(self, *, variant: Variant | None = None, **options: Any) -> AbstractContextManager[Any]:
        """Send it (or a variant) all the while in the background (the options of `send`)."""

    def workload(self, name: str) -> Any:
        """A workload, to meddle with and to look at (`meshtest.workload.Workload`); ValueError if there is none of that name."""

    def instances(self) -> Sequence[Any]:
        """The instances that the request can come to, by name, to be made to misbehave (`meshtest.instance.Instance`)."""

    def destinations(self) -> Sequence[Host]:
        """How the first proxy sees the hosts behind the request's destinations."""

    def hosts(self, host: str = "*", subset: str | None = None) -> Sequence[Host]:
        """How the first proxy sees the hosts behind a Service, or all of them."""

    def stats(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges of the first proxy, by a glob over their names; all that was answered before is counted."""

    def until(self, fact: Callable[[], bool], seconds: float = 30.0, every: float = 0.002) -> bool:
        """Look until a fact is so, `every` so many seconds; whether it was within `seconds`."""

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""

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
