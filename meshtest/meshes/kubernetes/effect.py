"""When a change is in force: when the proxies hold what follows from it.

That istiod calls a proxy SYNCED does not say it: that is also so in the moment before istiod has noticed the change. So each proxy is
asked what it holds, and that is compared with what the translation makes of the resources, fact by fact, of those facts that change.
A proxy is asked only for the kinds of resources of which something changes, and only when the versions of what it was sent have changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.config_dump import Dump
from meshtest.meshes.kubernetes.access_log_filter import logged_in_detail
from meshtest.meshes.kubernetes.admin import Admin
from meshtest.topology.instance import Instance
from meshtest.translate.facts import facts, first_difference, kind_of
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

DEADLINE = 30.0
"""Seconds for a change; istiod waits 0.1 for more to come, and a second and more on a busy cluster."""
SETTLED = 2.0
"""Seconds without another push, after which what a proxy holds is taken to be what istiod made of the resources."""
LISTENERS = "listeners"
_PAUSE = 0.02
DRAINED = 90.0
"""Seconds for connections that came in before a change."""
_DRAINING = "/stats?filter=%5Elistener_manager.total_.*_draining%24"
_AT_ONCE = 8

# What depends on more than the resources: certificates that a cluster has and the local mesh has not.
_OF_THE_CLUSTER = ("transport_socket_matches",)


class NotTaken(MeshError):
    """A proxy still holds what it held before."""


@dataclass
class _Held:
    """What a proxy held when it was last asked; `seen` are the versions when it was asked for each kind of resources."""

    versions: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    facts: Json = field(default_factory=dict)
    warming: list[str] = field(default_factory=list)

    def lacks(self, kinds: Collection[str]) -> list[str]:
        """Of which of these it may hold something else by now."""
        return [each for each in kinds if self.seen.get(each) != self.versions or (each == LISTENERS and self.warming)]

    def take(self, kinds: Collection[str], found: Dump, gateway: bool) -> None:
        """Know what it holds of these kinds."""
        others = {fact: each for fact, each in self.facts.items() if kind_of(fact) not in kinds}
        self.facts = {**others, **facts(found.configuration(), gateway)}
        self.seen.update(dict.fromkeys(kinds, self.versions))
        if LISTENERS in kinds:
            self.warming = found.warming()


@dataclass(frozen=True)
class Awaited:
    """What a proxy must come to hold, by fact; None for what goes. `was` is what it should have held before."""

    name: str
    gateway: bool
    facts: Mapping[str, Any]
    was: Mapping[str, Any]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Of what there are facts; `LISTENERS` say that what takes connections changes, and not only where they go."""
        return frozenset(map(kind_of, self.facts))


class Effect:
    """Knows what each proxy holds, by `pod.namespace`."""

    def __init__(self, admins: Mapping[str, Admin]) -> None:
        self._admins = admins
        self._held: dict[str, _Held] = {}

    def await_all(self, awaited: Iterable[Awaited]) -> list[str]:
        """Wait until all proxies hold this. What istiod made otherwise than the translation is told, sentence by sentence.

        NotTaken if a proxy still holds what it held before, after `DEADLINE` seconds.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [note for notes in pool.map(self._await, awaited) for note in notes]

    def await_logs(self, names: Iterable[str]) -> None:
        """Wait until these proxies log meshtest's own lines; MeshError if one does not."""
        deadline = time.monotonic() + DEADLINE
        for name in names:
            while not logged_in_detail(self._admins[name].get("/config_dump?resource=dynamic_listeners")):
                if time.monotonic() > deadline:
                    raise MeshError(
                        f"{name} has not taken the EnvoyFilter for access logs in {DEADLINE:g} s; does istiod run? "
                        "`istioctl proxy-status` shows what it has sent"
                    )
                time.sleep(_PAUSE)

    def _look(self, awaited: Awaited) -> Json:
        """What a proxy holds now, of the kinds that are awaited."""
        held, ask = self._held.setdefault(awaited.name, _Held()), self._admins[awaited.name].get
        held.versions = ask("/stats?type=TextReadouts")
        if kinds := held.lacks(awaited.kinds):
            held.take(kinds, Dump.asked(kinds, ask), awaited.gateway)
        return held.facts

    def _await(self, awaited: Awaited) -> list[str]:
        notes = self._await_facts(awaited)
        if LISTENERS in awaited.kinds:
            self._await_warm(awaited)
            self._await_drained(awaited.name)
        self._admins[awaited.name].settle()
        return notes

    def _await_facts(self, awaited: Awaited) -> list[str]:
        """Wait until a proxy holds what is awaited; what it holds otherwise, if that has changed, and stays so."""
        before = self._before(awaited)
        deadline, pushed, versions = time.monotonic() + DEADLINE, time.monotonic(), ""
        while missing := _missing(awaited, self._look(awaited)):
            now = time.monotonic()
            if (held := self._held[awaited.name]).versions != versions:
                versions, pushed = held.versions, now
            if now - pushed > SETTLED and all(before[fact] != _comparable(held.facts.get(fact)) for fact in missing):
                return [self._otherwise(awaited, fact) for fact in missing]
            if now > deadline:
                raise NotTaken(self._late(awaited, missing))
            time.sleep(_PAUSE)
        return []

    def _before(self, awaited: Awaited) -> Json:
        """What it held before, or should have if it has not been asked."""
        held = self._held.get(awaited.name, _Held())
        return {
            fact: _comparable(held.facts.get(fact) if kind_of(fact) in held.seen else was)
            for fact, was in awaited.was.items()
        }

    def _await_warm(self, awaited: Awaited) -> None:
        """Wait until all listeners work as they were told to."""
        deadline = time.monotonic() + DEADLINE
        while self._look(awaited) and (waiting := self._held[awaited.name].warming):
            if time.monotonic() > deadline:
                raise MeshError(
                    f"listeners of {awaited.name} still wait for something after {DEADLINE:g} s: {', '.join(waiting)}; is there a "
                    "Secret of each `credentialName` in the gateway's namespace, with tls.crt and tls.key?"
                )
            time.sleep(_PAUSE)

    def _await_drained(self, name: str) -> None:
        """Wait until no connection is left that came in by what is no more: each would be answered once by what was in force before.

        A proxy takes its `drainDuration` for it, 45 seconds unless it is told otherwise.
        """
        deadline = time.monotonic() + DRAINED
        while any(_numbers(self._admins[name].get(_DRAINING))):
            if time.monotonic() > deadline:
                raise MeshError(
                    f"{name} still has connections after {DRAINED:g} s that came in before the change; a shorter `drainDuration` "
                    "in its `proxy.istio.io/config` lets them go sooner"
                )
            time.sleep(_PAUSE)

    def _otherwise(self, awaited: Awaited, fact: str) -> str:
        return f"istiod made it otherwise than expected, of {awaited.name}: {fact}{self._difference(awaited, fact)}"

    def _late(self, awaited: Awaited, missing: list[str]) -> str:
        told = "\n  ".join(f"{fact}{self._difference(awaited, fact)}" for fact in missing[:3])
        return (
            f"{awaited.name} has not taken the change in {DEADLINE:g} s; `istioctl proxy-status` shows whether istiod has sent it. "
            f"Still otherwise ({len(missing)}):\n  {told}"
        )

    def _difference(self, awaited: Awaited, fact: str) -> str:
        return first_difference(
            awaited.facts[fact], self._held[awaited.name].facts.get(fact), names=("wanted", "the proxy holds")
        )


def _numbers(stats: str) -> list[int]:
    return [int(line.rpartition(": ")[2]) for line in stats.splitlines() if line]


def awaited(before: Snapshot, after: Snapshot, instances: Iterable[Instance]) -> list[Awaited]:
    """What each proxy must come to hold when `before` becomes `after`; those for which nothing changes are left out."""
    found = []
    for instance in instances:
        proxy = Proxy(instance)
        old, new = _facts(before, proxy), _facts(after, proxy)
        changed = [fact for fact in sorted({*old, *new}) if old.get(fact) != new.get(fact)]
        if changed:
            wanted, was = ({fact: each.get(fact) for fact in changed} for each in (new, old))
            found.append(Awaited(instance.full_name, proxy.gateway, wanted, was))
    return found


def config_of(snapshot: Snapshot, proxy: Proxy) -> ProxyConfig:
    """What a proxy is sent, translated once for each snapshot."""
    return snapshot.once(("config", proxy.instance.address), lambda: translate(snapshot, proxy))


def _facts(snapshot: Snapshot, proxy: Proxy) -> Json:
    config = config_of(snapshot, proxy)
    return snapshot.once(("facts", proxy.instance.address), lambda: facts(_as_json(config), proxy.gateway))


def _as_json(config: ProxyConfig) -> Json:
    """Without the endpoints that a proxy finds by itself, in DNS or by where a connection goes."""
    found = config.as_json(config)
    by_itself = {name for name, each in config.clusters.items() if each["type"] not in ("EDS", "STATIC")}
    return {**found, "endpoints": {name: each for name, each in found["endpoints"].items() if name not in by_itself}}


def _missing(awaited: Awaited, held: Json) -> list[str]:
    """Those facts that are not yet so."""
    return [fact for fact, wanted in awaited.facts.items() if _comparable(wanted) != _comparable(held.get(fact))]


def _comparable(fact: Any) -> Any:
    """The fact as JSON gives it, without what only a cluster knows: certificates, and how it counts
    endpoints that are not ready among weights and priorities."""
    if isinstance(fact, dict):
        fact = {key: value for key, value in fact.items() if key not in _OF_THE_CLUSTER}
    elif isinstance(fact, list):
        order = sorted({priority for _, priority, _, _ in fact})
        fact = [(where, order.index(priority), members) for where, priority, _, members in fact]
    return json.loads(json.dumps(fact)) or None
