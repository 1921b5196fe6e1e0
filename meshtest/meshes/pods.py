"""What tests do to the instances of workloads: behaviours, recordings, crashes, readiness; and that all of it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from meshtest.bookinfo.behaviour import Behaviour, Counters
from meshtest.meshes.protocol import Seen
from meshtest.resources.schema import nearest
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology

Json = dict[str, Any]


@dataclass
class _Done:
    """What there is to take back: pods (by the names of their stand-ins) with behaviours, recordings of pods, pods that are down."""

    behaving: set[str] = field(default_factory=set)
    recordings: dict[int, list[str]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)


class Command(Protocol):
    """What takes commands of `meshtest.bookinfo.control` for the stand-ins of pods."""

    def __call__(self, name: str, *, instances: list[str], **members: Any) -> Json:
        """Give a command for pods (by their full names); the reply. MeshError if it is refused, or nobody answers."""


class Pods:
    """The instances of a mesh's workloads, for which stand-ins behave as they are told.

    `find` gives those of a workload, or says in a ValueError why it cannot; `set_unready` makes exactly these (by address) be out of
    their Services' endpoints; `finish` waits until an instance has answered all it was asked.
    """

    def __init__(
        self,
        find: Callable[[str], tuple[Instance, ...]],
        command: Command,
        set_unready: Callable[[frozenset[str]], None],
        finish: Callable[[Instance, float], None],
    ) -> None:
        self._find, self._command = find, command
        self._set_unready, self._finish = set_unready, finish
        self._unready: frozenset[str] = frozenset()
        self._numbers = count(1)
        self._done = _Done()

    def names(self, workload: str) -> list[str]:
        """The pods of a workload. ValueError for an unknown workload, a gateway, and what nothing can call."""
        return [each.name for each in self._of(workload, None)]

    def behave(self, workload: str, instance: int | None, behaviour: Behaviour) -> int:
        """Puts a behaviour in force; its number."""
        pods, number = self._pods(workload, instance), next(self._numbers)
        self._done.behaving.update(pods)
        self._command("behave", instances=pods, number=number, behaviour=behaviour.as_json())
        return number

    def take_back(self, workload: str, instance: int | None, number: int) -> int:
        """Takes one behaviour back; what it held is answered. How many requests it has decided."""
        found = self._command("recover", instances=self._pods(workload, instance), numbers=[number])
        return int(found["decided"])

    def recover(self, workload: str, instance: int | None) -> None:
        """Takes all behaviours of instances back; the crashed are started, the unready are ready again."""
        self._recover(self._pods(workload, instance))
        self.start(workload, instance)
        self.ready(workload, instance)

    def release(self, workload: str, instance: int | None, number: int, most: int | None) -> int:
        """Lets go what a behaviour holds, the oldest first; how many."""
        found = self._command("release", instances=self._pods(workload, instance), number=number, most=most)
        return int(found["released"])

    def held(self, workload: str, instance: int | None, number: int) -> int:
        """How many requests a behaviour holds."""
        found = self._observed(workload, instance)
        return sum(each["behaviours"].get(str(number), {"held": 0})["held"] for each in found)

    def decided(self, workload: str, instance: int | None, number: int) -> int:
        """How many requests a behaviour has decided since it was given."""
        found = self._observed(workload, instance)
        return sum(each["behaviours"].get(str(number), {"decided": 0})["decided"] for each in found)

    def observe(self, workload: str, instance: int | None) -> Counters:
        """What instances have seen, together."""
        found = self._observed(workload, instance)
        return sum((Counters(**{name: each[name] for name in Counters.__slots__}) for each in found), Counters())

    def _observed(self, workload: str, instance: int | None) -> list[Json]:
        return list(self._command("observe", instances=self._pods(workload, instance))["observed"].values())

    def record(self, workload: str, instance: int | None) -> int:
        """Starts a recording; its number."""
        pods, number = self._pods(workload, instance), next(self._numbers)
        self._done.recordings[number] = pods
        self._command("record", instances=pods, number=number)
        return number

    def recorded(self, number: int, end: bool = False) -> list[Seen]:
        """What a recording holds, in the order of time; `end` ends it."""
        pods = self._done.recordings.get(number, [])
        found = self._command("recorded", instances=pods, number=number, end=end)["recorded"] if pods else {}
        if end:
            self._done.recordings.pop(number, None)
        return sorted((_seen(pod, each) for pod, seen in found.items() for each in seen), key=_time)

    def crash(self, workload: str, instance: int | None) -> None:
        """Resets all connections of instances, and refuses new ones; their sidecars stay."""
        pods = self._pods(workload, instance)
        self._done.down.update(pods)
        self._command("crash", instances=pods)

    def start(self, workload: str, instance: int | None) -> None:
        """Starts those instances that have crashed."""
        if crashed := [each for each in self._pods(workload, instance) if each in self._done.down]:
            self._restart(crashed)

    def restart(self, workload: str, instance: int | None) -> None:
        """Starts instances anew: nothing seen, no behaviours. Those that run crash first."""
        self._restart(self._pods(workload, instance))

    def _restart(self, pods: Iterable[str]) -> None:
        names = list(pods)
        self._done.down.update(names)
        self._command("restart", instances=names)
        self._done.down.difference_update(names)
        self._done.behaving.difference_update(names)

    def unready(self, workload: str, instance: int | None) -> None:
        """Takes instances out of their Services' endpoints; returns when every proxy has acknowledged it."""
        self._move(self._unready | {each.address for each in self._of(workload, instance)})

    def ready(self, workload: str, instance: int | None) -> None:
        """Brings instances back into their Services' endpoints; returns when every proxy has acknowledged it."""
        self._move(self._unready - {each.address for each in self._of(workload, instance)})

    def _move(self, unready: frozenset[str]) -> None:
        if unready != self._unready:
            self._set_unready(unready)
            self._unready = unready

    def finish(self, workload: str, instance: int | None, timeout: float) -> None:
        """Waits until instances have answered all that they were asked; MeshError if they have not within `timeout` seconds."""
        for each in self._of(workload, instance):
            self._finish(each, timeout)

    def take_all_back(self) -> None:
        """Takes back whatever was done to any instance, but for the endpoints, which are the mesh's to bring back."""
        self._unready = frozenset()
        done, self._done = self._done, _Done()
        for number, pods in done.recordings.items():
            self._command("recorded", instances=pods, number=number, end=True)
        self._recover(sorted(done.behaving))
        if done.down:
            self._restart(sorted(done.down))

    def _recover(self, pods: list[str]) -> None:
        if pods:
            self._command("recover", instances=pods)
            self._done.behaving.difference_update(pods)

    def _pods(self, workload: str, instance: int | None) -> list[str]:
        return [each.full_name for each in self._of(workload, instance)]

    def _of(self, workload: str, instance: int | None) -> tuple[Instance, ...]:
        found = self._find(workload)
        if instance is None:
            return found
        if not 0 <= instance < len(found):
            raise ValueError(f"{workload} has no instance {instance}: it has {len(found)}, counted from 0")
        return (found[instance],)


def instances(topology: Topology, workload: str) -> tuple[Instance, ...]:
    """Those of a workload that could behave in a way. ValueError for an unknown one, and for a gateway."""
    known = topology.names
    if workload not in known:
        raise ValueError(f"there is no workload {workload!r}{nearest(workload, known)}; there are {', '.join(known)}")
    found = known[workload]
    if found[0].gateway:
        raise ValueError(f"{workload} is a gateway: it has no application that could behave in a way")
    return found


def _seen(pod: str, seen: Json) -> Seen:
    headers = tuple((name, value) for name, value in seen["headers"])
    return Seen(seen["time"], pod.rpartition(".")[0], seen["method"], seen["target"], headers)


def _time(seen: Seen) -> float:
    return seen.time
