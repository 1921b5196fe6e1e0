"""Where traffic comes from: the ingress gateway's outside, or a workload. Here setting up, measuring and judging meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshtest.causes import LogWitness
from meshtest.errors import PolicyViolation
from meshtest.judging.answers import Reading
from meshtest.judging.expectation import Expectation
from meshtest.judging.experiment import Experiment
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.laboratory import Laboratory
from meshtest.meshes.protocol import Mesh, Target
from meshtest.proof import Load, Watch, control, prove
from meshtest.traffic.attribution import Attribution
from meshtest.traffic.driver import Driver
from meshtest.traffic.flow import Engine, Flow
from meshtest.traffic.request import Request, request
from meshtest.traffic.sample import Sample
from meshtest.traffic.tcp import TCP, Connections
from meshtest.traffic.token import user_agent

if TYPE_CHECKING:
    import socket
    import ssl

    import httpx

    from meshtest.traffic.handshake import Handshake

Pair = tuple[str, str]
_PATIENCE = 30.0  # seconds that a single request may take: a loaded machine is no reason to give up
_AGENT = "meshtest"  # of single requests, until each gets a token of its own


class Source:
    """A source of requests; `workload` is None for the outside of the ingress gateway."""

    def __init__(
        self,
        mesh: Mesh,
        workload: str | None,
        connections: int,
        watch: Watch,
    ) -> None:
        self.mesh = mesh
        self.workload = workload
        self.watch = watch
        self._connections = connections

    def __str__(self) -> str:
        return "the ingress gateway" if self.workload is None else f"{self.workload}"

    def measure(
        self,
        what: Request | TCP,
        requests: int | None = None,
        *,
        seconds: float | None = None,
        rate: float | None = None,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
        causes: bool = False,
    ) -> Sample:
        """Send a number of requests, or for some seconds, and say what came back; nothing is retried.

        `rate` bounds the requests begun a second, `attribute` reads the version from an answer, `timeout` (seconds) is for each exchange.
        With `causes` the sample knows what the first proxy logged of each request (`Sample.causes`).
        """
        __tracebackhide__ = True
        with self.driver(what, attribute, connections, timeout, causes) as driver:
            return driver.run(what, requests, duration=seconds, rate=rate, host=self.target(what).host)

    def flow(
        self,
        what: Request | TCP,
        *,
        rate: float | None = None,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
        causes: bool = False,
    ) -> Flow:
        """Send it over and over in the background, until the block ends: `with ingress.flow(GET("/reviews/0"), rate=200) as flow: ...`.

        Then `flow.sample` is what came back. The options are those of `measure`.
        """
        driver = self.driver(what, attribute, connections, timeout, causes)
        return Flow(driver, what, rate=rate, host=self.target(what).host)

    def expect(
        self,
        what: Request | TCP,
        expectation: Expectation | Experiment,
        *,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
        transport_errors: int = 0,
        causes: bool = False,
    ) -> Judgement:
        """Send requests until there is a verdict; PolicyViolation unless it is HOLDS.

        More than `transport_errors` requests without any HTTP answer raise MeshError: they say nothing about the policy. With `causes`
        the finding tells response flags and details, and shows log lines, also where the expectation does not ask for them.
        """
        __tracebackhide__ = True
        load = Load(what, attribute, connections, timeout, transport_errors, causes)
        found, judgement = prove(self, load, expectation)
        if judgement.verdict is not Verdict.HOLDS:
            raise PolicyViolation(found.message(), judgement)
        return judgement

    def control(
        self,
        what: Request | TCP,
        expectation: Expectation | Experiment,
        *,
        attribute: Attribution | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
    ) -> list[Judgement]:
        """Show that the expectation can fail: make the mesh wrong by exactly the stated margin, in each way, and see each called VIOLATED.

        What the test has applied is changed for a while (the weights of the rule that decides the request, a policy's limit...).
        The controls miss with a probability of 1e-6 each. Raises PolicyViolation if one is not called VIOLATED, or comes out otherwise
        than it was made.
        """
        __tracebackhide__ = True
        self.watch.before_control()
        load = Load(what, attribute, connections, timeout)
        rule = self.mesh.rule(self.workload, what)
        return [control(self, load, expectation, each, rule) for each in expectation.controls()]

    def driver(
        self,
        what: Request | TCP,
        attribute: Reading | None = None,
        connections: int | None = None,
        timeout: float = 10.0,
        causes: bool = False,
    ) -> Engine:
        """A driver that sends where a request comes in; the options are those of `measure`."""
        target = self.target(what)
        if isinstance(what, TCP):
            if causes:
                raise ValueError(
                    f"{what} carries no token: ask for the log of one connection, mesh.access_log(address)"
                )
            most = connections or self._connections
            return Connections(
                target.address, connections=most, timeout=timeout, attribute=attribute, source=target.source
            )
        return Driver(
            target.address,
            connections=connections or self._connections,
            timeout=timeout,
            attribute=attribute,
            source=target.source,
            witness=LogWitness(self.mesh, target) if causes else None,
        )

    def lab(self, load: Load, samples: list[Sample]) -> Laboratory:
        """What an experiment with this load can do; what it measures is added to `samples`."""
        return Laboratory(self, load, samples)

    def target(self, what: Request | TCP | str) -> Target:
        """Where a request, or a connection by its URL, would be sent."""
        asked = what.target if isinstance(what, TCP) else what
        return self.mesh.enter(asked) if self.workload is None else self.mesh.leave(self.workload, asked)

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
        secured = self._context(target, certificate)
        remember = self.mesh.connecting(target)
        opened = connected(target.address, target.source, timeout, target.server_name, secured)
        remember(opened.getsockname())
        return opened

    def handshake(
        self,
        what: Request | TCP | str,
        *,
        version: str | None = None,
        ciphers: str | None = None,
        certificate: Pair | None = None,
        server_name: str | None = None,
        timeout: float = 10.0,
    ) -> Handshake:
        """One TLS handshake where an https or tls URL comes in: what was negotiated, or why it was refused.

        `version` (`TLSv1.2`) and `ciphers` (OpenSSL's names, with colons) are offered alone, however weak they are; `server_name` is asked
        for instead of the URL's host; `certificate` as in `get`. ValueError for a URL in the clear.
        """
        from meshtest.traffic.client import context
        from meshtest.traffic.handshake import handshake, offering

        target = self.target(what)
        if target.server_name is None:
            raise ValueError(f"{what} is in the clear: a handshake is for https:// and tls://")
        secured = offering(context(self.mesh.trusted, certificate, check_name=False), version, ciphers)
        name = target.server_name if server_name is None else server_name
        return handshake(target.address, target.source, name, secured, timeout)

    def client(self, url: str = "/", **options: Any) -> httpx.Client:
        """An httpx.Client whose relative URLs come in where `url` does: for cookies, and several requests over one connection."""
        return self._client(self.target(request("GET", url)), **options)

    def _client(self, target: Target, certificate: Pair | None = None, **options: Any) -> httpx.Client:
        import httpx

        from meshtest.traffic.client import transport

        host, port = target.address
        scheme = "http" if target.server_name is None else "https"
        headers = {"User-Agent": _AGENT, **dict(options.pop("headers", None) or {}), "Host": target.host}
        made = transport(target.source, target.server_name, self._context(target, certificate))
        options = {"timeout": _PATIENCE, **options}
        client = httpx.Client(
            base_url=f"{scheme}://{host}:{port}", headers=headers, transport=made, trust_env=False, **options
        )
        client.event_hooks["request"].append(lambda request: self._mark(request, target))
        return client

    def _mark(self, request: httpx.Request, target: Target) -> None:
        """Give a request a token, by which the proxies' log lines are found; one with a `User-Agent` of its own stays as it is."""
        if request.headers["User-Agent"] == _AGENT:
            request.headers["User-Agent"] = user_agent(self.mesh.token(target), 0)

    def _context(self, target: Target, certificate: Pair | None) -> ssl.SSLContext | None:
        if target.server_name is None:
            return None
        from meshtest.traffic.client import context

        return context(self.mesh.trusted, certificate, check_name=target.certain)
