"""A pod as `kubectl get pods` shows it, and why it is not ready."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meshtest.meshes.kubernetes.check.moment import moment, span
from meshtest.meshes.kubernetes.check.seen import Json

SIDECAR = "istio-proxy"
"""The name of the container in which a proxy runs, gateway or sidecar."""
RECENT = timedelta(minutes=10)
"""A restart within this time is one that tests might have met: the longest pause of kubelet's back-off is five minutes."""


@dataclass(frozen=True)
class Pod:
    """A pod, read from its object."""

    document: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.document["metadata"]["namespace"])

    @property
    def proxy(self) -> str:
        """Its proxy's name, as istiod lists it: `pod.namespace`."""
        return f"{self.name}.{self.namespace}"

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self.document["metadata"].get("labels") or {}

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        return self.document["metadata"].get("annotations") or {}

    @property
    def created(self) -> datetime:
        """When it was made."""
        return moment(self.document["metadata"]["creationTimestamp"])

    @property
    def living(self) -> bool:
        """Whether it is meant to run: neither finished nor about to go."""
        return (
            "deletionTimestamp" not in self.document["metadata"]
            and self.document.get("status", {}).get("phase") not in _FINISHED
        )

    @property
    def ready(self) -> bool:
        """Whether it is ready, as its Services see it."""
        return any(each["type"] == "Ready" and each["status"] == "True" for each in self._conditions)

    @property
    def proxied(self) -> bool:
        """Whether a proxy of Istio's runs in it, as a container or as a native sidecar."""
        spec = self.document["spec"]
        containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
        return any(each["name"] == SIDECAR for each in containers)

    @property
    def restarts(self) -> int:
        """How often its containers were started anew."""
        return sum(each.get("restartCount", 0) for each in self._containers)

    def restarted(self, now: datetime) -> str:
        """The last restart, if it was within ten minutes, and why; else nothing."""
        ended = [
            (moment(last["finishedAt"]), each["name"], last)
            for each in self._containers
            if (last := (each.get("lastState") or {}).get("terminated")) and last.get("finishedAt")
        ]
        if not ended or now - (latest := max(ended, key=lambda each: each[0]))[0] > RECENT:
            return ""
        when, container, last = latest
        return (
            f"{container} ended {span(now - when)} ago ({last.get('reason', 'Error')}, exit status {last['exitCode']})"
        )

    def trouble(self, events: Sequence[Json] = ()) -> str:
        """Why it is not ready: a container that waits, the scheduler, or the latest warning among the events about it."""
        return "; ".join(dict.fromkeys(self._troubles(events))) or "its containers run, and are not ready yet"

    def _troubles(self, events: Sequence[Json]) -> Iterator[str]:
        for each in self._conditions:
            if each["type"] == "PodScheduled" and each["status"] == "False":
                yield f"not scheduled: {each.get('message', each.get('reason', ''))}"
        for each in self._containers:
            waiting = (each.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") not in _STARTING:
                last = (each.get("lastState") or {}).get("terminated")
                yield f"{each['name']} waits: {waiting['reason']}" + (f" ({_ended(last)})" if last else "")
        warning = latest_warning(events, "Pod", self.name)
        if warning:
            yield warning

    @property
    def _conditions(self) -> list[Json]:
        return self.document.get("status", {}).get("conditions") or []

    @property
    def _containers(self) -> list[Json]:
        status = self.document.get("status", {})
        return [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]


def _ended(state: Json) -> str:
    return f"{state.get('reason', 'Error')}, exit status {state['exitCode']}"


_FINISHED = ("Succeeded", "Failed")
_STARTING = (None, "ContainerCreating", "PodInitializing")


def latest_warning(events: Sequence[Json], kind: str, name: str) -> str:
    """The latest Warning event about an object, as `reason: message`; nothing if there is none."""
    about = [
        each
        for each in events
        if each.get("type") == "Warning"
        and (each["involvedObject"].get("kind"), each["involvedObject"].get("name")) == (kind, name)
    ]
    if not about:
        return ""
    latest = max(about, key=lambda each: moment(_time(each)))
    return f"{latest.get('reason', '')}: {(latest.get('message') or '').strip()}"


def _time(event: Json) -> str:
    """When an event was last seen; recorders fill different fields."""
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
