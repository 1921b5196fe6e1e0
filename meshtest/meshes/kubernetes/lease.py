"""One run at a time in a namespace: a Lease (coordination.k8s.io/v1) that the run holds and renews.

As in Kubernetes' own leader election no clocks are compared: a holder is taken for dead when its Lease has not changed for as long as it
says, as seen from here without a gap.
"""

from __future__ import annotations

import contextlib
import datetime
import getpass
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Json, Missing, Refused
from meshtest.meshes.kubernetes.restoration import current
from meshtest.meshes.kubernetes.state import MANAGED_BY, RUN

NAME = "meshtest"
DURATION = 15
"""Seconds that a Lease holds after it was last renewed, as Kubernetes' components use: a killed run blocks no longer."""
RENEWAL = 3.0  # seconds from renewal to renewal: several may fail
LOOK = 1.0  # seconds from look to look at another's Lease


class HeldByAnother(MeshError):
    """Another run that is alive works in the namespace."""


@dataclass(frozen=True)
class Holder:
    """Who holds a Lease, and since when; as the Lease says."""

    name: str
    since: str

    def __str__(self) -> str:
        return f"{self.name}, since {self.since}"


def identity(run: str) -> str:
    """How a run is named to people who meet its Lease."""
    with contextlib.suppress(OSError, KeyError):  # a container may have no name for its user
        return f"run {run} ({getpass.getuser()}@{socket.gethostname()}, process {os.getpid()})"
    return f"run {run} ({socket.gethostname()}, process {os.getpid()})"


def living(api: Api, namespace: str) -> Holder | None:
    """The run that works in a namespace; None if there is none, which takes as long to see as a Lease holds."""
    watched = _Watched()
    while (found := current(api, _path(namespace))) is not None and not watched.dead(found):
        if watched.alive:
            return holder(found)
        time.sleep(LOOK)
    return None


class Lease:
    """The right to change objects in a namespace, held from here to `close`.

    It waits at most `wait` seconds for another run that is alive, then raises HeldByAnother; a killed run's Lease is taken over.
    """

    def __init__(self, api: Api, run: str, namespace: str, wait: float = 0.0) -> None:
        self._api = api
        self._run = run
        self._namespace = namespace
        self._identity = identity(run)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._taker: Holder | None = None
        self._found = self._acquire(wait)
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name=f"meshtest lease of {namespace}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """MeshError if the namespace is no longer ours: this process stood still for too long, and another run began."""
        if self._taker is None and time.monotonic() - self._renewed > DURATION:
            self._renew()
        if self._taker is not None:
            raise HeldByAnother(
                f"this run stood still for longer than {DURATION} s (or the API server did), and namespace {self._namespace} "
                f"was taken over: {self._taker}; it has taken back what this run had in force"
            )

    def close(self) -> None:
        """Give it up; harmless when repeated. What cannot be given up ends by itself."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join(RENEWAL)
        if self._taker is None and not self._thread.is_alive():  # else the server is away: it ends by itself
            metadata = self._found["metadata"]
            only = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            with contextlib.suppress(MeshError):
                self._api.send("DELETE", _path(self._namespace), {"preconditions": only})

    def _acquire(self, wait: float) -> Json:
        end = time.monotonic() + wait
        watched = _Watched()
        while True:
            found = current(self._api, _path(self._namespace))
            mine = self._taken(found) if found is None or watched.dead(found) else None
            if mine is not None:
                return mine
            if watched.alive and time.monotonic() >= end:
                raise HeldByAnother(
                    f"another run works in namespace {self._namespace}: {holder(found)}; "
                    "wait for its end (--mesh-wait SECONDS does), or name another namespace"
                )
            self._ended.wait(LOOK)

    def _taken(self, found: Json | None) -> Json | None:
        """Take what is free; None if someone else was faster."""
        body = self._body(found)
        try:
            if found is None:
                return self._api.send("POST", _path(self._namespace).rpartition("/")[0], body)
            return self._api.send("PUT", _path(self._namespace), body)
        except Refused as refused:
            if refused.status != 409:
                raise
        except Missing:
            if found is None:
                raise  # there is no such namespace
        return None

    def _body(self, found: Json | None) -> Json:
        """The Lease as held by this run from now on, or still."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        old = (found or {}).get("spec") or {}
        still = old.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION,
            "acquireTime": old["acquireTime"] if still else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (found is not None and not still),
        }
        metadata = {"name": NAME, "namespace": self._namespace, "labels": {MANAGED_BY: "meshtest", RUN: self._run}}
        if found is not None:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _keep(self) -> None:
        while not self._ended.wait(RENEWAL):
            with contextlib.suppress(MeshError):  # said by `check`, if it lasts
                self._renew()
            if self._taker is not None:
                return

    def _renew(self) -> None:
        with self._lock:
            try:
                self._found = self._api.send("PUT", _path(self._namespace), self._body(self._found))
            except (Refused, Missing):
                self._look_again()
                return
            self._renewed = time.monotonic()

    def _look_again(self) -> None:
        """After a refusal: the Lease may still be ours (someone labelled it), another's, or gone."""
        found = current(self._api, _path(self._namespace))
        if found is not None and found["spec"].get("holderIdentity") != self._identity:
            self._taker = holder(found)
            return
        mine = None if self._ended.is_set() else self._taken(found)
        if mine is not None:
            self._found, self._renewed = mine, time.monotonic()


class _Watched:
    """Another's Lease, as seen from here: `alive` when it was renewed under our eyes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.alive = False
        self._clock = clock
        self._seen: tuple[str, ...] = ()
        self._since = self._last = clock()

    def dead(self, found: Json) -> bool:
        """Whether it has not changed for as long as it says it needs to, with no gap in which nothing was seen."""
        now = self._clock()
        spec = found["spec"]
        seen = tuple(str(spec.get(key)) for key in ("holderIdentity", "renewTime", "leaseTransitions"))
        gap = now - self._last > 5 * LOOK
        if seen != self._seen or gap:
            self.alive = bool(self._seen) and seen != self._seen
            self._seen, self._since = seen, now
        self._last = now
        return not spec.get("holderIdentity") or now - self._since > float(spec.get("leaseDurationSeconds") or DURATION)


def holder(found: Json) -> Holder:
    """Who holds a Lease."""
    spec = found["spec"]
    return Holder(spec.get("holderIdentity") or "nobody", spec.get("acquireTime") or "an unknown time")


def _path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{NAME}"
