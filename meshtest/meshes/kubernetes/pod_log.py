"""The access log of a proxy in a pod, as `kubectl logs` has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from meshtest.meshes.access_log import Entry, of_json, of_text
from meshtest.meshes.kubernetes.api import Api
from meshtest.topology.instance import Instance

CONTAINER = "istio-proxy"
_CLOCKS = timedelta(seconds=60)  # by which the clocks of this machine and of a node may differ
_INTERVAL = 0.2  # seconds between two questions; proxies write once a second


@dataclass(frozen=True)
class PodLog:
    """`names` says which instance has an address (`ip:port`). `detailed`: the proxy logs meshtest's own lines beside Istio's."""

    api: Api
    instance: Instance
    names: Callable[[], Mapping[str, str]]
    detailed: bool

    def end(self) -> str:
        """A time before which nothing of what comes now was logged."""
        return (datetime.now(UTC) - _CLOCKS).strftime("%Y-%m-%dT%H:%M:%SZ")

    def since(self, end: str, text: str) -> Callable[[], Iterable[Entry]]:
        """A reader of the lines that hold a text."""
        reader = _Reader(self.api, self.instance, end, text)
        names, proxy = dict(self.names()), f"{self.instance.name}.{self.instance.namespace}"

        def more() -> Iterator[Entry]:
            for line in reader.more():
                if self.detailed:
                    if line.startswith("{"):
                        yield of_json(line, proxy, names)
                elif line.startswith("["):
                    yield of_text(line, proxy, self.instance.gateway, names)

        return more


@dataclass
class _Reader:
    """Asks for the log again and again, and gives each line once."""

    api: Api
    instance: Instance
    since: str
    text: str
    _given: set[str] = field(default_factory=set)
    _asked: float = 0.0

    def more(self) -> Iterator[str]:
        """The lines that have come since the last time; at most once in an interval."""
        if (now := time.monotonic()) < self._asked + _INTERVAL:
            return
        self._asked = now
        log = self.api.logs(self.instance.namespace, self.instance.name, CONTAINER, sinceTime=self.since)
        for line in log.splitlines():
            if self.text in line and line not in self._given:
                self._given.add(line)
                yield line
