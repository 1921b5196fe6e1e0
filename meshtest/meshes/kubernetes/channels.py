"""The command channels to all pods of a mesh."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

Json = dict[str, Any]

_HEARTBEAT = 15.0  # seconds; what is between here and a pod may hang up on those who are silent for some minutes
_AT_ONCE = 16


class PodChannel(Protocol):
    """What leads to one pod (`meshtest.meshes.kubernetes.channel`)."""

    @property
    def offset(self) -> float:
        """From the pod's clock to ours."""

    def command(self, name: str, **members: Any) -> Json:
        """Give a command; the reply."""

    def beat(self) -> None:
        """Let the pod know that its owner lives."""

    def close(self) -> None:
        """Hang up."""


class Channels:
    """They are opened as they are needed: `open` makes that of a pod (by its full name)."""

    def __init__(self, open: Callable[[str], PodChannel]) -> None:
        self._open = open
        self._channels: dict[str, PodChannel] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="meshtest-pods")
        self._closed = threading.Event()
        self._heart: threading.Thread | None = None

    def command(self, name: str, *, instances: list[str], **members: Any) -> Json:
        """Give a command to several pods at once; the replies as one."""
        if name == "release" and members.get("most") is not None and len(instances) > 1:
            return self._release_oldest(instances, **members)
        return merged(self.each(name, dict.fromkeys(instances, members)).values())

    def each(self, name: str, members: Mapping[str, Mapping[str, Any]]) -> dict[str, Json]:
        """Give a command to pods, with what it takes for each; the replies."""
        if len(members) == 1:
            return {pod: self._command(pod, name, given) for pod, given in members.items()}
        waiting = {pod: self._threads.submit(self._command, pod, name, given) for pod, given in members.items()}
        return {pod: future.result() for pod, future in waiting.items()}

    def forget(self, pods: Iterable[str]) -> None:
        """Hang up on pods, such as those that are gone."""
        for pod in pods:
            with self._lock:
                channel = self._channels.pop(pod, None)
            if channel is not None:
                channel.close()

    def close(self) -> None:
        """Hang up on all."""
        self._closed.set()
        if self._heart is not None:
            self._heart.join()
        self._threads.shutdown()
        self.forget(list(self._channels))

    def _release_oldest(self, instances: list[str], *, number: int, most: int) -> Json:
        found = self.each("waiting", {pod: {"number": number} for pod in instances})
        shares = oldest({pod: reply["waiting"][pod] for pod, reply in found.items()}, most)
        wanted = {pod: {"number": number, "most": share} for pod, share in shares.items() if share}
        return merged(self.each("release", wanted).values()) if wanted else {"released": 0}

    def _command(self, pod: str, name: str, members: Mapping[str, Any]) -> Json:
        channel = self._channel(pod)
        reply = channel.command(name, instances=[pod], **members)
        for seen in reply.get("recorded", {}).values():
            for each in seen:
                each["time"] += channel.offset
        return {key: value for key, value in reply.items() if key not in ("id", "time")}

    def _channel(self, pod: str) -> PodChannel:
        with self._lock:
            if pod not in self._channels:
                self._channels[pod] = self._open(pod)
            if self._heart is None:
                self._heart = threading.Thread(target=self._beat, name="meshtest-heartbeat", daemon=True)
                self._heart.start()
            return self._channels[pod]

    def _beat(self) -> None:
        """Lets pods know that their owner lives."""
        while not self._closed.wait(_HEARTBEAT):
            for channel in list(self._channels.values()):
                channel.beat()


def merged(replies: Iterable[Json]) -> Json:
    """Several pods' replies as one: numbers are added, what is told by pod is put together."""
    out: Json = {}
    for reply in replies:
        for key, value in reply.items():
            out[key] = {**out.get(key, {}), **value} if isinstance(value, dict) else out.get(key, 0) + value
    return out


def oldest(ages: Mapping[str, Collection[float]], most: int) -> dict[str, int]:
    """How many of each pod's are among so many that are the oldest of all."""
    ranked = sorted(_all(ages), reverse=True)[:most]
    return {pod: sum(1 for _, each in ranked if each == pod) for pod in ages}


def _all(ages: Mapping[str, Collection[float]]) -> Iterator[tuple[float, str]]:
    return ((age, pod) for pod, each in ages.items() for age in each)
