"""Envoy's statistics and the state of hosts, as its admin interface gives them (`/stats`, `/clusters`, as JSON). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.resources.schema import nearest

Json = dict[str, Any]


def expression(pattern: str) -> str:
    """A glob over names (`*` any characters, `?` one) as an anchored regular expression, which RE2 and Python read alike."""
    parts = [{"*": ".*", "?": "."}.get(part) or re.escape(part) for part in re.split(r"([*?])", pattern)]
    return f"^{''.join(parts)}$"


def numbers(stats: str) -> dict[str, int]:
    """Counters and gauges in `/stats?format=json`, by name."""
    found = (each for each in json.loads(stats)["stats"] if "name" in each)
    return {each["name"]: each["value"] for each in found if isinstance(each["value"], int)}


class Change(Mapping[str, int]):
    """How statistics change while a block runs, by name; live within it. A name that a proxy has not made yet is 0.

    `change["cluster.*.upstream_rq_pending_overflow"]` is the sum over all names that a glob stands for. Iterating gives those that changed.
    """

    def __init__(self, patterns: tuple[str, ...], read: Callable[[], Mapping[str, int]]) -> None:
        self._patterns = patterns
        self._read = read
        self._before = read()
        self._after: Mapping[str, int] | None = None

    def end(self) -> None:
        """What comes from now on does not count."""
        self._after = self._read()

    def _differences(self) -> dict[str, int]:
        now = self._read() if self._after is None else self._after
        names = sorted(now.keys() | self._before.keys())
        found = {name: now.get(name, 0) - self._before.get(name, 0) for name in names}
        return {name: value for name, value in found.items() if value}

    def __getitem__(self, pattern: str) -> int:
        wanted, changed = re.compile(expression(pattern)), self._differences()
        if not any(map(wanted.match, {*changed, *self._before})) and not self._watches(pattern):
            raise KeyError(f"{pattern} is not watched; these are: {', '.join(self._patterns)}")
        return sum(value for name, value in changed.items() if wanted.match(name))

    def _watches(self, name: str) -> bool:
        return any(name == each or re.match(expression(each), name) for each in self._patterns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._differences())

    def __len__(self) -> int:
        return len(self._differences())

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:+d}" for name, value in self._differences().items()) or "nothing changed"


@dataclass(frozen=True)
class Host:
    """How a proxy sees a host of a cluster.

    ``address`` is `ip:port`; ``instance`` whose it is (the pod's name, or a host outside; empty if it is not known); ``flags`` why it gets
    no requests, in Envoy's words (``failed_outlier_check``, ``failed_active_hc``); ``stats`` its counters and gauges (``rq_active``,
    ``rq_total``, ``rq_success``, ``rq_error``, ``cx_active``...).
    """

    proxy: str
    cluster: str
    address: str
    instance: str
    flags: tuple[str, ...]
    weight: int
    priority: int
    stats: Mapping[str, int]

    @property
    def healthy(self) -> bool:
        """Whether nothing keeps requests from it."""
        return not self.flags


def hosts(
    clusters: str, proxy: str, host: str, subset: str | None, owners: Mapping[str, str], namespace: str = ""
) -> list[Host]:
    """The hosts behind a Service in `/clusters?format=json`, by the names of clusters: `outbound|PORT|SUBSET|HOST`, or of the workload.

    `host` is a Service's name, with or without its domain (without a namespace that of `namespace`, if there is one, as in resources);
    or the whole name of a cluster; or `*`, all of them. `subset` None is all of them, "" the clusters without one. Raises ValueError if
    the proxy has no such cluster.
    """
    statuses = json.loads(clusters).get("cluster_statuses", [])
    found = [each for each in statuses if _leads(each["name"], host, subset)]
    if not found:
        names = sorted({_parts(each["name"])[1].partition(".")[0] for each in statuses})
        what = f"{host} {subset}" if subset else host
        raise ValueError(
            f"{proxy} has no cluster for {what}{nearest(host, names)}; there are those for {', '.join(names)}"
        )
    near = [each for each in found if _parts(each["name"])[1].startswith(f"{host}.{namespace}.")]
    return [_host(each, status, proxy, owners) for each in near or found for status in each.get("host_statuses", [])]


def _parts(name: str) -> tuple[str, str]:
    """Subset and host in a cluster's name; one that is not of this form is its own host."""
    parts = name.split("|")
    return (parts[2], parts[3] or name) if len(parts) == 4 else ("", name)


def _leads(name: str, host: str, subset: str | None) -> bool:
    if name == host or (host == "*" and subset is None):
        return True
    its_subset, its_host = _parts(name)
    named = name.startswith("outbound") and (host in ("*", its_host) or its_host.startswith(f"{host}."))
    return named and (subset is None or subset == its_subset)


def _host(cluster: Json, status: Json, proxy: str, owners: Mapping[str, str]) -> Host:
    socket = status["address"].get("socket_address")
    address = f"{socket['address']}:{socket['port_value']}" if socket else status["address"]["pipe"]["path"]
    return Host(
        proxy=proxy,
        cluster=cluster["name"],
        address=address,
        instance=owners.get(address, ""),
        flags=tuple(_flags(status.get("health_status", {}))),
        weight=status.get("weight", 1),
        priority=status.get("priority", 0),
        stats={each["name"]: int(each.get("value", 0)) for each in status.get("stats", [])},
    )


def _flags(health: Json) -> Iterator[str]:
    """What is true of a host's health; and its status by discovery, if that is not HEALTHY."""
    for name, value in health.items():
        if value is True:
            yield _SHORT.get(name, name)
        elif name == "eds_health_status" and value != "HEALTHY":
            yield f"eds_{value.lower()}"


_SHORT = {"failed_active_health_check": "failed_active_hc"}
