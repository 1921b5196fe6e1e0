"""Reaching a verdict on an expectation of the traffic from a source, and showing that it can fail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from meshtest.errors import MeshError, PolicyViolation, ResourceError
from meshtest.evidence import Finding, finding
from meshtest.judging.answers import Reading
from meshtest.judging.control import Control, Edit
from meshtest.judging.expectation import Expectation, Trial
from meshtest.judging.experiment import Experiment, Lab
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.meshes.protocol import Mesh, Rule, Target
from meshtest.traffic.attribution import by_line, by_podname
from meshtest.traffic.flow import Engine
from meshtest.traffic.handshake import Handshake
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample, join
from meshtest.traffic.tcp import TCP

_FIRST_BATCH = 50  # requests


class Watch(Protocol):
    """Who wants to know what a source finds, and can make a mesh wrong on purpose."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """A step of the test, for reports that want them."""

    def record(self, found: Finding, sample: Sample | None = None) -> None:
        """Keep a finding for the reports, and what was measured for it."""

    def progress(self, text: str) -> None:
        """Show how far a verdict is; an empty text clears it."""

    def workload(self, name: str) -> Any:
        """A workload (`meshtest.workload.Workload`)."""

    def before_control(self) -> None:
        """May end the test where a control has no meaning."""

    def edited(self, rule: Rule | None, edits: Iterable[Edit]) -> AbstractContextManager[None]:
        """A while in which what the test has applied, and what it applies then, is changed so."""

    def kept(self) -> AbstractContextManager[None]:
        """A while after which what the test has applied is again what it was before."""

    def apply(self, *what: Any) -> None:
        """Put resources in force."""

    def edit(self, rule: Rule | None, edits: Iterable[Edit]) -> None:
        """Change what the test has applied."""


@dataclass(frozen=True)
class Load:
    """What is sent for a verdict, and how; see `Source.expect`."""

    what: Request | TCP
    attribute: Reading | None = None
    connections: int | None = None
    timeout: float = 10.0
    transport_errors: int = 0
    causes: bool = False


class Sender(Protocol):
    """Where requests come from."""

    mesh: Mesh
    workload: str | None
    watch: Watch

    def driver(
        self,
        what: Request | TCP,
        attribute: Reading | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
        causes: bool = False,
    ) -> Engine:
        """A driver that sends where the request comes in."""

    def target(self, what: Request | TCP | str) -> Target:
        """Where it comes in."""

    def handshake(
        self,
        what: Request | TCP | str,
        *,
        version: str | None = None,
        ciphers: str | None = None,
        certificate: tuple[str, str] | None = None,
        server_name: str | None = None,
    ) -> Handshake:
        """A TLS handshake where it comes in."""

    def lab(self, load: Load, samples: list[Sample]) -> Lab:
        """What an experiment with this load can do; what it measures is added to `samples`."""


@dataclass(frozen=True)
class _Case:
    """One expectation of one load, from its begin to its finding."""

    sender: Sender
    load: Load
    expectation: Expectation | Experiment
    control: str = ""
    samples: list[Sample] = field(default_factory=list)

    def judged(self, reach: Callable[[], None], judgement: Callable[[], Judgement]) -> tuple[Finding, Judgement]:
        """Reach a verdict and record it; also what is known when something interrupts."""
        sender, watch = self.sender, self.sender.watch
        rule = sender.mesh.rule(sender.workload, self.load.what)
        _check(rule, self.expectation)
        began = time.monotonic()
        try:
            with watch.step(f"drive: {self.load.what} through {sender}"):
                reach()
        finally:
            seconds = time.monotonic() - began
            watch.progress("")
            judged = judgement()
            found = finding(
                str(sender),
                self.load.what,
                self.expectation,
                judged,
                rule,
                sample := join(*self.samples),
                seconds,
                self.control,
                versions=_reads_versions(self.expectation),
            )
            with watch.step(f"judge: {found.verdict}: {found.expectation}"):
                watch.record(found, sample)
        if judged.verdict is not Verdict.HOLDS:
            sender.mesh.check()  # broken surroundings are not the policy's fault
        return found, judged


def prove(
    sender: Sender, load: Load, expectation: Expectation | Experiment, control: str = ""
) -> tuple[Finding, Judgement]:
    """The verdict on an expectation, recorded; `control` says how the mesh was made wrong on purpose, if it was."""
    case = _Case(sender, load, expectation, control)
    if hasattr(expectation, "conduct"):
        return _conducted(case, cast("Experiment", expectation))
    return _tried(case, expectation)


def _tried(case: _Case, expectation: Expectation) -> tuple[Finding, Judgement]:
    sender, load = case.sender, case.load
    trial = expectation.begin()
    default = by_line() if isinstance(load.what, TCP) else by_podname()
    reading = expectation.reading(load.attribute or default)
    causes = load.causes or expectation.causes
    with sender.driver(load.what, reading, load.connections, load.timeout, causes) as driver:
        return case.judged(lambda: _reach(case, driver, trial, causes), trial.judgement)


def _reach(case: _Case, driver: Engine, trial: Trial, causes: bool) -> None:
    what, samples, watch = case.load.what, case.samples, case.sender.watch
    host = case.sender.target(what).host
    hasty = not causes or case.sender.mesh.logs_at_once
    watch.progress(f"{what}: {trial.forecast()}")
    while trial.verdict is None:
        samples.append(driver.run(what, _batch(trial, case.load, hasty), host=host))
        _check_errors(samples, what, case.load.transport_errors)
        trial.take(samples[-1])
        watch.progress(f"{what}: {trial.requests} requests, {trial.observed}; about {trial.remaining()} more")


def _batch(trial: Trial, load: Load, hasty: bool) -> int:
    """How many requests to send next: at first few, and then at most half as many again, for a mesh that is clearly wrong needs few.
    Connections that were asked for are all used: answers that take long come no later if there are more of them.

    Not so (`hasty` is false) where each look at the logs takes longer than the requests, in a cluster: there many new connections at once
    take their time, so that it is the trial's to say how many it wants.
    """
    wanted, most = trial.suggested_batch(), max(_FIRST_BATCH, trial.requests // 2)
    return max(min(wanted, most), load.connections or 0) if hasty else wanted


def _conducted(case: _Case, experiment: Experiment) -> tuple[Finding, Judgement]:
    found = [Judgement(Verdict.UNDECIDED, "the experiment was interrupted", 0)]

    def reach() -> None:
        found.append(experiment.conduct(case.sender.lab(case.load, case.samples)))

    return case.judged(reach, lambda: found[-1])


def control(
    sender: Sender, load: Load, expectation: Expectation | Experiment, wrong: Control, rule: Rule | None
) -> Judgement:
    """The verdict in a mesh made wrong on purpose; PolicyViolation unless it is VIOLATED, and by the control alone.

    `rule` decides the request while nothing is wrong.
    """
    with sender.watch.edited(rule, wrong.edits):
        found, judgement = prove(sender, load, expectation.strict(), wrong.name)
    if judgement.verdict is not Verdict.VIOLATED:
        raise PolicyViolation(f"the control ({wrong.name}) was not noticed.\n{found.message()}", judgement)
    if strangers := _strangers(wrong, found):
        raise PolicyViolation(
            f"the control ({wrong.name}) came out otherwise: answers from {strangers}, which it gives nothing; "
            f"look at the labels of the subsets.\n{found.message()}",
            judgement,
        )
    return judgement


def _strangers(wrong: Control, found: Finding) -> str:
    """Who answered although a control gives them nothing: then VIOLATED had another cause than the control."""
    if wrong.arms is None:
        return ""
    answered = [arm["arm"] for arm in found.evidence.get("arms", ()) if arm["count"]]
    return ", ".join(str(arm) for arm in answered if arm not in wrong.arms)


def _reads_versions(expectation: Expectation | Experiment) -> bool | None:
    """Whether what is read from an answer is the version that gave it, and nothing else; None where answers are held up on purpose."""
    if hasattr(expectation, "conduct"):
        return None
    version: Reading = by_podname()
    return expectation.reading(version) is version


def _check(rule: Rule | None, expectation: Expectation | Experiment) -> None:
    """A destination that does not exist is said before a request is sent, unless its effect may be what is expected."""
    missing = [each.missing for each in rule.destinations if each.missing] if rule else []
    if rule and missing and not getattr(expectation, "causes", False):
        raise ResourceError(f"{rule.where}: {rule.resource} {rule.field}: {'; '.join(missing)}")


def _check_errors(samples: list[Sample], what: Request | TCP, limit: int) -> None:
    errors: Counter[str] = sum((sample.errors for sample in samples), Counter())
    if errors.total() > limit:
        sent = sum(map(len, samples))
        kinds = ", ".join(f"{count} x {error}" for error, count in errors.most_common())
        raise MeshError(
            f"{errors.total()} of {sent} requests ({what}) got no answer at all: {kinds}. "
            f"They say nothing about the policy; allow some with transport_errors=, or look at the proxy"
        )
