"""What an experiment works with: the request in question, from its source."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from meshtest.authority import Authority
from meshtest.instance import Instance
from meshtest.judging.answers import Reading
from meshtest.judging.control import Edit
from meshtest.judging.experiment import Variant
from meshtest.meshes.call import call_of
from meshtest.meshes.protocol import Target
from meshtest.meshes.statistics import Host
from meshtest.proof import Load, Sender
from meshtest.traffic.flow import Flow
from meshtest.traffic.handshake import Handshake
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample, join
from meshtest.traffic.tcp import TCP

if TYPE_CHECKING:
    from meshtest.workload import Workload


class Laboratory:
    """The request of a load, sent as an experiment wants it."""

    def __init__(self, sender: Sender, load: Load, samples: list[Sample]) -> None:
        self._sender, self._load, self._samples = sender, load, samples

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
    ) -> Sample:
        """Send the request so often, on so many connections at once; what came back. `reading` reads each answer instead of the load's."""
        load = self._load
        with self._sender.driver(
            load.what,
            reading or load.attribute,
            connections or load.connections,
            timeout or load.timeout,
            causes or load.causes,
        ) as driver:
            self._samples.append(driver.run(load.what, requests, duration=seconds, rate=rate, host=self._target.host))
        return self._samples[-1]

    def each(self, variants: Sequence[Variant], *, fresh: bool = False, reading: Reading | None = None) -> Sample:
        """Send each variant of the request once, one after the other on one connection, or each on a `fresh` one; what came back."""
        load = self._load
        found = []
        with self._sender.driver(load.what, reading or load.attribute, 1, load.timeout) as driver:
            for each in variants:
                found.append(driver.run(_varied(load.what, each), 1, host=self._target.host))
                if fresh:
                    driver.renew()
        self._samples.append(join(*found))
        return self._samples[-1]

    @contextmanager
    def flow(self, *, variant: Variant | None = None, **options: Any) -> Iterator[Flow]:
        """Send it (or a variant) all the while in the background; what came back counts in the finding."""
        load = self._load
        what = load.what if variant is None else _varied(load.what, variant)
        connections = options.pop("connections", None) or load.connections
        timeout, causes = options.pop("timeout", load.timeout), options.pop("causes", load.causes)
        driver = self._sender.driver(what, load.attribute, connections, timeout, causes)
        given = {key: value for key, value in options.items() if value is not None}
        with Flow(driver, what, host=self._target.host, **given) as flow:
            yield flow
        self._samples.append(flow.sample)

    @cached_property
    def _target(self) -> Target:
        return self._sender.target(self._load.what)

    def workload(self, name: str) -> Workload:
        """A workload, to meddle with and to look at; ValueError if there is none of that name."""
        found: Workload = self._sender.watch.workload(name)
        return found

    def instances(self) -> list[Instance]:
        """The instances that the request can come to now, by name: those in the endpoints of its destinations."""
        names = {each.instance for each in self.destinations()}
        mesh = self._sender.mesh
        return [
            Instance(mesh, workload, number)
            for workload, pods in mesh.topology.names.items()
            for number, pod in enumerate(pods)
            if pod.name in names
        ]

    def destinations(self) -> list[Host]:
        """How the first proxy sees the hosts behind the request's destinations."""
        return [each for host, subset in self._destinations for each in self.hosts(host, subset)]

    def hosts(self, host: str = "*", subset: str | None = None) -> Sequence[Host]:
        """How the first proxy (or each that may be the first) sees the hosts behind a Service, or all of them."""
        mesh = self._sender.mesh
        return [each for proxy in self._target.proxies for each in mesh.hosts(proxy, host, subset)]

    @cached_property
    def _destinations(self) -> list[tuple[str, str]]:
        """Hosts and subsets that the request is sent to: by its rule, or else whom it asks."""
        mesh, what = self._sender.mesh, self._load.what
        rule = mesh.rule(self._sender.workload, what)
        if rule is not None and rule.destinations:
            return [(each.host, each.subset) for each in rule.destinations if each.share > 0]
        return [(call_of(what).host, "")]

    def stats(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges of the first proxy (summed over those that may be the first), by a glob over their names.

        All that was answered before is counted.
        """
        found: Counter[str] = Counter()
        for proxy in self._target.proxies:
            found.update(self._sender.mesh.stats(proxy, pattern))
        return found

    def until(self, fact: Callable[[], bool], seconds: float = 30.0, every: float = 0.002) -> bool:
        """Look until a fact is so, `every` so many seconds; whether it was within `seconds`."""
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                return False
            time.sleep(every)
        return True

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    @property
    def host(self) -> str:
        """The host that the request asks for."""
        return self._target.server_name or ""

    def handshake(
        self,
        *,
        version: str | None = None,
        ciphers: str | None = None,
        client: str = "none",
        server_name: str | None = None,
    ) -> Handshake:
        """A TLS handshake where the request would be sent; `client` is none, own, or stranger."""
        proof = None
        if client in ("own", "stranger"):
            authority = self._sender.mesh.authority if client == "own" else _stranger()
            proof = authority.certificate("client")
        return self._sender.handshake(
            self._load.what, version=version, ciphers=ciphers, certificate=proof, server_name=server_name
        )

    def kept(self) -> AbstractContextManager[None]:
        """A while after which what the test has applied is again what it was before."""
        return self._sender.watch.kept()

    def apply(self, *resources: Any) -> None:
        """Put resources in force, as `mesh.apply` does."""
        self._sender.watch.apply(*resources)

    def edit(self, edits: Iterable[Edit]) -> None:
        """Change what the test has applied."""
        self._sender.watch.edit(self._sender.mesh.rule(self._sender.workload, self._load.what), edits)

    def progress(self, text: str) -> None:
        """Show how far the experiment is."""
        self._sender.watch.progress(text and f"{self._load.what}: {text}")


def _varied(what: Request | TCP, variant: Variant) -> Request:
    if not isinstance(what, Request):
        raise ValueError(f"{what} has no headers and no query that could be varied")
    target = what.target
    if variant.query:
        target += f"{'&' if '?' in target else '?'}{urlencode(variant.query)}"
    return replace(what, target=target, headers=(*what.headers, *variant.headers.items()))


@cache
def _stranger() -> Authority:
    """An authority that nobody trusts."""
    return Authority.new()
