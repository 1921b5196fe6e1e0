"""Where traffic comes from: the ingress gateway's outside, or a workload. Here setting up, measuring and judging meet."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from meshtest.errors import MeshError, PolicyViolation, ResourceError
from meshtest.evidence import Finding, finding
from meshtest.judging.expectation import Expectation, Trial
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.meshes.protocol import Mesh, Rule, Target
from meshtest.traffic.attribution import Attribution
from meshtest.traffic.driver import Driver
from meshtest.traffic.request import Request, request
from meshtest.traffic.sample import Sample, join

if TYPE_CHECKING:
    import socket
    import ssl

    import httpx

    from meshtest.judging.control import Control


Pair = tuple[str, str]


class Watch(Protocol):
    """Who wants to know what a source finds, and can make a mesh wrong on purpose."""

    def record(self, found: Finding) -> None:
        """Keep a finding for the reports."""

    def progress(self, text: str) -> None:
        """Show how far a verdict is; an empty text clears it."""

    def before_control(self) -> None:
        """May end the test where a control has no meaning."""

    def reweighted(self, rule: Rule, weights: Mapping[str, int]) -> AbstractContextManager[None]:
        """A while in which a rule sends to the subsets named by `weights` in these proportions."""


class Source:
    """A source of requests; `workload` is None for the outside of the ingress gateway."""

    def __init__(
        self,
        mesh: Mesh,
        workload: str | None,
        connections: int,
        watch: Watch,
    ) -> None:
        self._mesh = mesh
        self._workload = workload
        self._connections = connections
        self._watch = watch

    def __str__(self) -> str:
        return "the ingress gateway" if self._workload is None else f"{self._workload}"

    def measure(
        self,
        what: Request,
        requests: int | None = None,
        *,
        seconds: float | None = None,
        rate: float | None = None,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
    ) -> Sample:
        """Send a number of requests, or for some seconds, and say what came back; nothing is retried.

        `rate` bounds the requests begun a second, `attribute` reads the version from an answer, `timeout` (seconds) is for each exchange.
        """
        __tracebackhide__ = True
        with self._driver(self.target(what), attribute, connections, timeout) as driver:
            return driver.run(what, requests, duration=seconds, rate=rate, host=self.target(what).host)

    def expect(
        self,
        what: Request,
        expectation: Expectation,
        *,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
        transport_errors: int = 0,
    ) -> Judgement:
        """Send requests until there is a verdict; PolicyViolation unless it is HOLDS.

        More than `transport_errors` requests without any HTTP answer raise MeshError: they say nothing about the policy.
        """
        __tracebackhide__ = True
        with self._driver(self.target(what), attribute, connections, timeout) as driver:
            found, judgement = self._judged(driver, what, expectation, transport_errors)
        if judgement.verdict is not Verdict.HOLDS:
            raise PolicyViolation(found.message(), judgement)
        return judgement

    def control(
        self,
        what: Request,
        expectation: Expectation,
        *,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
    ) -> list[Judgement]:
        """Show that the expectation can fail: make the mesh wrong by exactly the stated margin, in each way, and see each called VIOLATED.

        The weights of the rule that decides the request are changed for a while. The controls miss with a probability of 1e-6 each.
        Raises PolicyViolation if one is not called VIOLATED, or comes out otherwise than it was made.
        """
        __tracebackhide__ = True
        self._watch.before_control()
        rule = self._mesh.rule(self._workload, what)
        if rule is None:
            raise ValueError(f"no VirtualService decides {what} through {self}, so there are no weights to change")
        judgements = []
        for control in expectation.controls():
            with (
                self._watch.reweighted(rule, control.weights),
                self._driver(self.target(what), attribute, connections, timeout) as driver,
            ):
                found, judgement = self._judged(driver, what, expectation.strict(), 0, control.name)
            if judgement.verdict is not Verdict.VIOLATED:
                raise PolicyViolation(f"the control ({control.name}) was not noticed.\n{found.message()}", judgement)
            if strangers := _strangers(control, found):
                raise PolicyViolation(
                    f"the control ({control.name}) came out otherwise: answers from {strangers}, which it gives nothing; "
                    f"look at the labels of the subsets.\n{found.message()}",
                    judgement,
                )
            judgements.append(judgement)
        return judgements

    def _judged(
        self, driver: Driver, what: Request, expectation: Expectation, limit: int, control: str = ""
    ) -> tuple[Finding, Judgement]:
        """Drive until the verdict, and record it; also what is known when something interrupts."""
        rule = self._mesh.rule(self._workload, what)
        _check(rule)
        trial = expectation.begin()
        began = time.monotonic()
        samples: list[Sample] = []
        try:
            self._reach(driver, what, trial, samples, limit)
            if trial.verdict is not Verdict.HOLDS:
                self._mesh.check()  # broken surroundings are not the policy's fault
        finally:
            seconds = time.monotonic() - began
            judgement = trial.judgement()
            self._watch.progress("")
            found = finding(str(self), what, expectation, judgement, rule, join(*samples), seconds, control)
            self._watch.record(found)
        return found, judgement

    def _reach(self, driver: Driver, what: Request, trial: Trial, samples: list[Sample], limit: int) -> None:
        host = self.target(what).host
        self._watch.progress(f"{what}: {trial.forecast()}")
        while trial.verdict is None:
            samples.append(driver.run(what, trial.suggested_batch(), host=host))
            _check_errors(samples, what, limit)
            trial.take(samples[-1])
            self._watch.progress(_line(what, trial))

    def _driver(self, target: Target, attribute: Attribution | None, connections: int | None, timeout: float) -> Driver:
        return Driver(
            target.address,
            connections=connections or self._connections,
            timeout=timeout,
            attribute=attribute,
            source=target.source,
        )

    def target(self, what: Request | str) -> Target:
        """Where a request, or a connection by its URL, would be sent."""
        return self._mesh.enter(what) if self._workload is None else self._mesh.leave(self._workload, what)

    def get(self, url: str, **options: Any) -> httpx.Response:
        """One GET request by httpx, whose options these are; nothing is retried, redirects are not followed.

        An https URL is asked for with its host as server name, and the mesh's authority is trusted; `certificate` (a certificate and its
        key, PEM) is what the client proves itself with, such as `mesh.authority.certificate("client")`.
        """
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        """One POST request by httpx."""
        return self.request("POST", url, **options)

    def request(self, method: str, url: str, certificate: Pair | None = None, **options: Any) -> httpx.Response:
        """One request by httpx, whose options these are; `certificate` as in `get`."""
        target = self.target(request(method, url))
        with self._client(target, certificate) as client:
            return client.request(method, request(method, url).path, **options)

    def connect(self, url: str, certificate: Pair | None = None, timeout: float = 10.0) -> socket.socket:
        """A connection, for what is not HTTP: `tcp://tcp-echo:9000` is a socket, `tls://host:443` one with TLS (an ssl.SSLSocket).

        `timeout` (seconds) is for connecting and each operation; `certificate` as in `get`.
        """
        from meshtest.traffic.client import connected

        target = self.target(url)
        return connected(target.address, target.source, timeout, target.server_name, self._context(target, certificate))

    def client(self, url: str = "/", **options: Any) -> httpx.Client:
        """An httpx.Client whose relative URLs come in where `url` does: for cookies, and several requests over one connection."""
        return self._client(self.target(request("GET", url)), **options)

    def _client(self, target: Target, certificate: Pair | None = None, **options: Any) -> httpx.Client:
        import httpx

        from meshtest.traffic.client import transport

        host, port = target.address
        scheme = "http" if target.server_name is None else "https"
        headers = {**dict(options.pop("headers", None) or {}), "Host": target.host}
        made = transport(target.source, target.server_name, self._context(target, certificate))
        return httpx.Client(
            base_url=f"{scheme}://{host}:{port}", headers=headers, transport=made, trust_env=False, **options
        )

    def _context(self, target: Target, certificate: Pair | None) -> ssl.SSLContext | None:
        if target.server_name is None:
            return None
        from meshtest.traffic.client import context

        return context(self._mesh.trusted, certificate, check_name=target.certain)


def _strangers(control: Control, found: Finding) -> str:
    """Who answered although a control gives them nothing: then VIOLATED had another cause than the control."""
    answered = [arm["arm"] for arm in found.evidence["arms"] if arm["count"]]
    return ", ".join(str(arm) for arm in answered if not control.shares.get(arm) and not control.astray)


def _check(rule: Rule | None) -> None:
    """A destination that does not exist is said before a request is sent."""
    missing = [each.missing for each in rule.destinations if each.missing] if rule else []
    if rule and missing:
        raise ResourceError(f"{rule.where}: {rule.resource} {rule.field}: {'; '.join(missing)}")


def _check_errors(samples: list[Sample], what: Request, limit: int) -> None:
    errors: Counter[str] = sum((sample.errors for sample in samples), Counter())
    if errors.total() > limit:
        sent = sum(map(len, samples))
        kinds = ", ".join(f"{count} x {error}" for error, count in errors.most_common())
        raise MeshError(
            f"{errors.total()} of {sent} requests ({what}) got no HTTP answer at all: {kinds}. "
            f"They say nothing about the policy; allow some with transport_errors=, or look at the proxy"
        )


def _line(what: Request, trial: Trial) -> str:
    n = trial.requests or 1
    shares = ", ".join(f"{name or 'no version'} {100 * count / n:.1f} %" for name, count in trial.observed().items())
    return f"{what}: {trial.requests} requests, {shares}; about {trial.remaining()} more"
