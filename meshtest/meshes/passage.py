"""The passage of requests through proxies, put together from access log lines; and what is still missing of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from meshtest.meshes.access_log import INBOUND, READINESS, Entry


@dataclass(frozen=True)
class Owner:
    """Whose an address is: the name of the pod or the host, and the proxy that listens there (empty if it is no proxy's)."""

    name: str
    proxy: str = ""


@dataclass(frozen=True)
class Origin:
    """Where requests were sent: the proxies of which one was the first, and the address that they came from (empty for any)."""

    proxies: tuple[str, ...]
    address: str = ""

    def begins(self, entry: Entry) -> bool:
        """Whether a line is of a request as it was sent there, not of one that a workload sent on."""
        at_first = entry.proxy in self.proxies and entry.kind not in (INBOUND, READINESS)
        return at_first and self.address in ("", entry.peer_address.rpartition(":")[0])


class Passages:
    """Those of the requests with these numbers, from an origin; `owners` says whose an address (`ip:port`) is."""

    def __init__(self, origin: Origin, owners: Mapping[str, Owner], numbers: Collection[int]) -> None:
        self._origin = origin
        self._owners = owners
        self._found: dict[int, list[Entry]] = {number: [] for number in numbers}

    def add(self, entry: Entry) -> None:
        """Take a line; one of another request is left."""
        if entry.number in self._found and entry.kind != READINESS:
            self._found[entry.number].append(entry)

    @property
    def awaited(self) -> Counter[str]:
        """The proxies that must have more to say, each with the number of requests."""
        return Counter(proxy for entries in self._found.values() if (proxy := self._missing(entries)))

    def in_order(self) -> dict[int, list[Entry]]:
        """The lines by request, in the order in which it reached the proxies."""
        return {number: sorted(each, key=lambda entry: entry.start_time) for number, each in self._found.items()}

    def _missing(self, entries: list[Entry]) -> str:
        if not any(map(self._origin.begins, entries)):
            return self._origin.proxies[0]
        said = {(each.proxy, each.peer_address) for each in entries}
        return next((proxy for proxy, peer in self._passed_on(entries) if (proxy, peer) not in said), "")

    def _passed_on(self, entries: list[Entry]) -> Iterator[tuple[str, str]]:
        """The proxies that others have an answer of, and the address from which each was asked."""
        for entry in entries:
            if entry.details == "via_upstream" and (proxy := next_proxy(entry, self._owners)):
                yield proxy, entry.upstream_local_address


def next_proxy(entry: Entry, owners: Mapping[str, Owner]) -> str:
    """The proxy that was asked next; empty if it was a workload, a host outside, or nobody."""
    owner = owners.get(entry.upstream_host)
    return owner.proxy if owner and entry.kind != INBOUND else ""
