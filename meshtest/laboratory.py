"""What an experiment works with: the request in question, from its source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from meshtest.instance import Instance
from meshtest.meshes.call import call_of
from meshtest.meshes.protocol import Target
from meshtest.meshes.statistics import Host
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

    @contextmanager
    def flow(self, **options: Any) -> Iterator[Flow]:
        """Send it all the while in the background; what came back counts in the finding."""
        load = self._load
        connections = options.pop("connections", None) or load.connections
        timeout, causes = options.pop("timeout", load.timeout), options.pop("causes", load.causes)
        driver = self._sender.driver(load.what, load.attribute, connections, timeout, causes)
        given = {key: value for key, value in options.items() if value is not None}
        with Flow(driver, load.what, host=self._target.host, **given) as flow:
            yield flow
        self._samples.append(flow.sample)

    @cached_property
    def _target(self) -> Target:
        return self._sender.target(self._load.what)

    def instances(self) -> list[Instance]:
        """The instances that the request can come to now, by name: those in the endpoints of its destinations."""
        names = {each.instance for each in self.hosts()}
        mesh = self._sender.mesh
        return [
            Instance(mesh, workload, number)
            for workload, pods in mesh.topology.names.items()
            for number, pod in enumerate(pods)
            if pod.name in names
        ]

    def hosts(self) -> list[Host]:
        """How the first proxy sees the hosts behind the request's destinations."""
        mesh, proxy = self._sender.mesh, self._target.proxy
        return [each for host, subset in self._destinations for each in mesh.hosts(proxy, host, subset)]

    @cached_property
    def _destinations(self) -> list[tuple[str, str]]:
        """Hosts and subsets that the request is sent to: by its rule, or else whom it asks."""
        mesh, what = self._sender.mesh, self._load.what
        rule = mesh.rule(self._sender.workload, what)
        if rule is not None and rule.destinations:
            return [(each.host, each.subset) for each in rule.destinations if each.share > 0]
        return [(call_of(what).host, "")]

    def stats(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges of the first proxy, by a glob over their names."""
        return self._sender.mesh.stats(self._target.proxy, pattern)

    def until(self, condition: Callable[[], bool], timeout: float = 30.0, every: float = 0.002) -> bool:
        """Look until something is so, `every` so many seconds; whether it was within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(every)
        return True

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def progress(self, text: str) -> None:
        """Show how far the experiment is."""
        self._sender.watch.progress(text and f"{self._load.what}: {text}")
