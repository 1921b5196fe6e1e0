"""What an experiment works with: the request in question, from its source."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from meshtest.authority import Authority
from meshtest.judging.control import Edit
from meshtest.proof import Load, Sender
from meshtest.traffic.flow import Flow
from meshtest.traffic.handshake import Handshake
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

    @property
    def host(self) -> str:
        """The host that the request asks for."""
        return self._sender.target(self._load.what).server_name or ""

    def handshake(
        self,
        *,
        version: str | None = None,
        ciphers: str | None = None,
        client: str = "none",
        server_name: str | None = None,
    ) -> Handshake:
        """A TLS handshake where the request would be sent; `client` is none, own, or stranger."""
        authority = {"own": self._sender.mesh.authority, "stranger": _stranger()}.get(client)
        proof = authority.certificate("client") if authority else None
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


@cache
def _stranger() -> Authority:
    """An authority that nobody trusts."""
    return Authority.new()
