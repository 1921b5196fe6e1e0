"""Which clusters learn their endpoints by discovery (EDS), because instances leave and join them while all else stays. Pure.

An endpoint that leaves a cluster of fixed endpoints makes Envoy replace the cluster: connections are drained, ejections and statistics
are lost. By discovery they stay, at the price of a watched file for each such cluster of each proxy: Envoy takes an inotify instance
for each, also where they watch one directory, and a file has the endpoints of one cluster. So only those clusters are discovered in
which an instance has been unready, from the first time on (which replaces the cluster once), and only so many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]


class Discovery:
    """Remembers which instances have moved, and which clusters they were in.

    `room` is asked how many of so many more clusters (of all proxies) may be discovered.
    """

    def __init__(self, room: Callable[[int], int]) -> None:
        self._room = room
        self._moved: set[str] = set()
        self._clusters: dict[tuple[str, str], None] = {}

    def move(self, addresses: Iterable[str]) -> None:
        """These instances (by their addresses) leave or join."""
        self._moved.update(addresses)

    @property
    def moved(self) -> bool:
        """Whether any instance has moved."""
        return bool(self._moved)

    def settle(self) -> None:
        """Nothing is moved any more."""
        self._moved.clear()
        self._clusters.clear()

    def look(self, configs: Mapping[str, ProxyConfig]) -> None:
        """Finds the clusters in which a moved instance stands, by proxy; whoever comes first counts when there are too many."""
        if not self._moved:
            return
        found = [(proxy, name) for proxy, config in configs.items() for name in self._concerned(config)]
        if new := [each for each in found if each not in self._clusters]:
            self._clusters.update(dict.fromkeys(new[: self._room(len(new))]))

    def _concerned(self, config: ProxyConfig) -> Iterator[str]:
        for name, assignment in config.endpoints.items():
            if config.clusters[name]["type"] == "EDS" and not self._moved.isdisjoint(_addresses(assignment)):
                yield name

    def has(self, proxy: str, cluster: str) -> bool:
        """Whether a proxy discovers the endpoints of a cluster."""
        return (proxy, cluster) in self._clusters


def _addresses(assignment: Json) -> Iterator[str]:
    for group in assignment.get("endpoints", ()):
        for each in group["lb_endpoints"]:
            yield each["endpoint"]["address"]["socket_address"]["address"]
