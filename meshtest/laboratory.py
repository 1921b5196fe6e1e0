"""What an experiment works with: the request in question, from its source."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from meshtest.judging.control import Edit
from meshtest.proof import Load, Sender
from meshtest.traffic.flow import Flow
from meshtest.traffic.sample import Sample


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
    ) -> Sample:
        """Send the request so often, on so many connections at once; what came back."""
        load = self._load
        with self._sender.driver(
            load.what,
            load.attribute,
            connections or load.connections,
            timeout or load.timeout,
            causes or load.causes,
        ) as driver:
            host = self._sender.target(load.what).host
            self._samples.append(driver.run(load.what, requests, duration=seconds, rate=rate, host=host))
        return self._samples[-1]

    def flow(self, **options: Any) -> Flow:
        """Send it all the while in the background."""
        load = self._load
        connections = options.pop("connections", None) or load.connections
        timeout, causes = options.pop("timeout", load.timeout), options.pop("causes", load.causes)
        driver = self._sender.driver(load.what, load.attribute, connections, timeout, causes)
        return Flow(driver, load.what, host=self._sender.target(load.what).host, **options)

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
