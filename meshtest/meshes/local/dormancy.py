"""Which proxies may sleep through a change, because nothing that they would do otherwise is seen before they are woken. Pure.

Of a sidecar's outbound side only that counts which its workload's own calls meet (most workloads call nobody), until somebody sends
from there, or asks the proxy; a gateway where nothing listens does nothing at all. That is most proxies of most tests, and a change costs
each proxy milliseconds.

What Envoy refuses must come to light at once, though: of the proxies that are sent the same, one is always awake.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from meshtest.meshes.local.calls import Calls
from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology
from meshtest.translate.cluster_name import INBOUND_PASSTHROUGH
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Json, Proxy, Snapshot

_REMEMBERED = 16  # sets of resources; a control goes back to the one before it


class Dormancy:
    """Remembers who has been asked for anything; proxies go by their instances' addresses."""

    def __init__(self, topology: Topology) -> None:
        self._proxies = {each.address: Proxy(each) for each in topology.instances}
        self._calls = {each.address: Calls(topology, each) for each in topology.instances if not each.gateway}
        self._awake: set[str] = set()
        self._drowsy: set[str] = set()
        self._recent: dict[str, None] = {}  # who has ever been woken, the last one at the end
        self._taken: dict[object, Sequence[Resource]] = {}  # what proxies have taken already, and would again

    def wake(self, proxies: Iterable[str]) -> None:
        """These are asked for something: they take part in every change until `rest`."""
        for each in proxies:
            self._awake.add(each)
            self._recent.pop(each, None)
            self._recent[each] = None

    def rest(self) -> None:
        """Nobody sends anything any more. Those awake take part in one more change, which ends what they remember of hosts."""
        self._drowsy |= self._awake
        self._awake.clear()
        self._taken.clear()

    def changed(self, snapshot: Snapshot) -> None:
        """A change to this snapshot is through."""
        self._drowsy.clear()
        self._taken[_identity(snapshot)] = snapshot.resources
        if len(self._taken) > _REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def sleepers(
        self, snapshot: Snapshot, before: Mapping[str, ProxyConfig], after: Mapping[str, ProxyConfig]
    ) -> set[str]:
        """Who may sleep through the change to what proxies would be sent by the snapshot, from what they would be sent `before`."""
        found = {each for each in after if self._may_sleep(each, before[each], after[each])}
        if not snapshot.resources or _identity(snapshot) in self._taken:
            return found
        views = {each: snapshot.view(self._proxies[each]) for each in after}
        awake = {views[each] for each in after if each not in found}
        for view in {views[each] for each in found} - awake:
            found.remove(self._witness([each for each in after if each in found and views[each] == view]))
        return found

    def _may_sleep(self, proxy: str, before: ProxyConfig, after: ProxyConfig) -> bool:
        if proxy in self._awake or proxy in self._drowsy:
            return False
        if self._proxies[proxy].gateway:
            return not before.listeners and not after.listeners
        return _inbound(before) == _inbound(after) and self._calls[proxy].meet_the_same(before, after)

    def _witness(self, alike: Collection[str]) -> str:
        """Who takes a change for all those alike: who is likely to be asked next."""
        return next((each for each in reversed(self._recent) if each in alike), next(iter(alike)))


def _identity(snapshot: Snapshot) -> object:
    """The same for snapshots of the same objects, as long as these are kept."""
    return (snapshot.topology.unready, *map(id, snapshot.resources))


def _inbound(config: ProxyConfig) -> tuple[dict[str, Json], dict[str, Json]]:
    """What a sidecar does with calls to its workload."""
    listeners = {name: each for name, each in config.listeners.items() if each.get("traffic_direction") == "INBOUND"}
    clusters = {
        name: each
        for name, each in config.clusters.items()
        if name.startswith("inbound|") or name == INBOUND_PASSTHROUGH
    }
    return listeners, clusters
