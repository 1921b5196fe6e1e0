"""Instances of workloads: what can be made to misbehave, and what it has seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from meshtest.errors import MeshError
from meshtest.meshes.protocol import Mesh, Pods, Seen

if TYPE_CHECKING:
    from typing import Self

    from meshtest.bookinfo.behaviour import Behaviour, Counters

Headers = Mapping[str, str]

_NONE: Headers = MappingProxyType({})
_POLL = 0.002  # seconds between two looks at what is held


class Which(TypedDict, total=False):
    """Which requests a behaviour concerns.

    Those whose path begins with `path` and that have these `headers` (whole values); of them not the first `after`; of the rest each with
    the probability `share` (0..1; at 1, the default, always); and at most `count` (None: any number).
    """

    share: float
    after: int
    count: int | None
    path: str
    headers: Headers


class _Undone:
    """What has been done to instances; as a context manager it is taken back at the end."""

    def take_back(self) -> None:
        """Take it back now; harmless when repeated."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.take_back()


class Behaving(_Undone):
    """A behaviour in force; `decided` is how many requests it has decided."""

    def __init__(self, pods: Pods, workload: str, instance: int | None, behaviour: Behaviour) -> None:
        self._pods, self._whose, self._behaviour = pods, (workload, instance), behaviour
        self._number = pods.behave(workload, instance, behaviour)
        self._decided: int | None = None

    def __str__(self) -> str:
        return f"{self._whose[0]} {self._behaviour}"

    @property
    def decided(self) -> int:
        """How many requests it has decided, until it was taken back; 0 once `recovers()` or `restarts()` has swept it away."""
        if self._decided is not None:
            return self._decided
        return self._pods.decided(*self._whose, self._number)

    def take_back(self) -> None:
        """Take it back now; what it held is answered."""
        if self._decided is None:
            self._decided = self._pods.take_back(*self._whose, self._number)


class Hold(Behaving):
    """Requests that are held: `held` is how many now."""

    @property
    def held(self) -> int:
        """How many requests are held now: exactly those that the instances have got whole and not answered because of this."""
        return self._pods.held(*self._whose, self._number)

    def wait(self, requests: int, timeout: float = 10.0) -> None:
        """Wait until at least so many requests are held; MeshError if there are fewer after `timeout` seconds."""
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout
        while (held := self.held) < requests:
            if time.monotonic() > deadline:
                raise MeshError(
                    f"{self._whose[0]} holds {held} requests and not {requests} after {timeout:g} s: fewer were sent, or a proxy, "
                    "or its limits, kept the others back"
                )
            time.sleep(_POLL)

    def release(self, requests: int | None = None) -> int:
        """Let go so many of those held, the oldest first, and hold on to what comes; how many went.

        Without a number all go, and nothing is held any more.
        """
        if requests is not None:
            return self._pods.release(*self._whose, self._number, requests)
        gone = self._pods.release(*self._whose, self._number, None)
        self.take_back()
        return gone


class _Away(_Undone):
    """Instances that have been taken out of the endpoints, or have crashed."""

    def __init__(self, back: Callable[[], None]) -> None:
        self._back = back

    def take_back(self) -> None:
        """Bring them back now."""
        self._back()


class Recording:
    """What instances are asked while it runs; `requests` in the order of time, the last 10,000 of each instance."""

    def __init__(self, pods: Pods, number: int) -> None:
        self._pods, self._number = pods, number
        self._ended: list[Seen] | None = None

    @property
    def requests(self) -> list[Seen]:
        """What has been seen so far; after the end what was seen until then."""
        return self._pods.recorded(self._number) if self._ended is None else self._ended

    def end(self) -> None:
        """Record no more."""
        if self._ended is None:
            self._ended = self._pods.recorded(self._number, end=True)


class Instances:
    """Instances of a workload that can be made to behave in ways; each behaves by itself, so that a count is of each.

    Each method works at once; what it returns takes it back at the end of a `with`, or by `take_back()`; after the test all is.
    What several behaviours concern is decided by the first of them that applies.

    `Which` says what requests they concern: `fails(503, share=0.5)`. ValueError for what cannot be, MeshError on a mesh that cannot do it.
    """

    def __init__(self, mesh: Mesh, workload: str, instance: int | None) -> None:
        self._mesh, self._whose = mesh, (workload, instance)

    @property
    def _pods(self) -> Pods:
        found = getattr(self._mesh, "pods", None)
        if found is None:
            raise MeshError(
                f"the mesh ({self._mesh.kind}) cannot say how workloads behave (it has no `pods`); "
                "run this test on the local mesh: --mesh local"
            )
        pods: Pods = found
        return pods

    def fails(
        self,
        status: int = 503,
        *,
        answer_headers: Headers = _NONE,
        grpc_status: int | None = None,
        **which: Unpack[Which],
    ) -> Behaving:
        """Answer `status` (200 to 599) with `answer_headers`, in JSON that says which pod failed.

        With `grpc_status` (0 to 16) answer 200 and that status, in the headers alone, as gRPC does without a message.
        """
        return self._behave("fails", which, status=status, answer_headers=answer_headers, grpc_status=grpc_status)

    def slow(self, seconds: float, **which: Unpack[Which]) -> Behaving:
        """Answer so much later (and of course not before the application has)."""
        return self._behave("slow", which, seconds=seconds)

    def stalls(self, **which: Unpack[Which]) -> Behaving:
        """Do not answer until this is taken back."""
        return self._behave("stalls", which)

    def holds(self, **which: Unpack[Which]) -> Hold:
        """Hold requests, count them exactly, and let them go when told: this is how limits of concurrency are measured."""
        return Hold(self._pods, *self._whose, _behaviour("holds", which))

    def hangs_up(self, *, when: str = "before", reset: bool = True, **which: Unpack[Which]) -> Behaving:
        """End the connection `before` the answer, behind its `headers`, or amid its `body`; by a reset, or in an orderly way."""
        return self._behave("hangs_up", which, when=when, reset=reset)

    def closes(self, **which: Unpack[Which]) -> Behaving:
        """Answer with `connection: close`, and close it: no keep-alive."""
        return self._behave("closes", which)

    def _behave(self, kind: str, which: Which, **how: Any) -> Behaving:
        return Behaving(self._pods, *self._whose, _behaviour(kind, which, **how))

    def recovers(self) -> None:
        """Take back all that was done to these instances: behaviours, a crash, that they are unready."""
        self._pods.recover(*self._whose)

    def unready(self) -> _Undone:
        """Leave the endpoints of all Services, as Kubernetes makes it when a readiness probe fails.

        Returns when every proxy concerned has acknowledged it: from then on no new request comes; those under way are finished.
        """
        self._pods.unready(*self._whose)
        return _Away(self.ready)

    def ready(self) -> None:
        """Come back into the endpoints; returns when every proxy has acknowledged it."""
        self._pods.ready(*self._whose)

    def crashes(self) -> _Undone:
        """Reset all connections and refuse new ones until restarted, as a container that has died; the sidecar, and the endpoints, stay."""
        self._pods.crash(*self._whose)
        return _Away(lambda: self._pods.start(*self._whose))

    def restarts(self, *, rolling: bool = False, timeout: float = 10.0) -> None:
        """Start anew, with empty counters and no behaviours; what runs crashes first.

        A `rolling` restart loses no request: one instance after the other leaves the endpoints, answers what it has (MeshError if it takes
        longer than `timeout` seconds), restarts, and comes back.
        """
        if not rolling:
            self._pods.restart(*self._whose)
            return
        workload, instance = self._whose
        for number in range(len(self._pods.names(workload))) if instance is None else (instance,):
            self._pods.unready(workload, number)
            self._pods.finish(workload, number, timeout)
            self._pods.restart(workload, number)
            self._pods.ready(workload, number)

    def seen(self) -> Counters:
        """What the instances have seen since they were started or restarted; `seen() - mark` is what has come since."""
        return self._pods.observe(*self._whose)

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Record what the instances are asked: `with reviews.recording() as seen`, then `seen.requests`."""
        recording = Recording(self._pods, self._pods.record(*self._whose))
        try:
            yield recording
        finally:
            recording.end()


class Instance(Instances):
    """One instance (pod) of a workload."""

    def __init__(self, mesh: Mesh, workload: str, number: int) -> None:
        super().__init__(mesh, workload, number)
        self._workload_name, self._index = workload, number

    @property
    def name(self) -> str:
        """The pod's name, as its answers say it."""
        return self._pods.names(self._workload_name)[self._index]

    def __str__(self) -> str:
        return self.name


def _behaviour(kind: str, which: Which, **how: Any) -> Behaviour:
    from meshtest.bookinfo.behaviour import Behaviour

    if strange := sorted(which.keys() - Which.__annotations__.keys()):
        raise TypeError(f"{kind}() takes {', '.join(Which.__annotations__)}, and no {', '.join(strange)}")
    return Behaviour(kind, **which, **how)
