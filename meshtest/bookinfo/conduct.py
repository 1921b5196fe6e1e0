"""How a pod behaves at present, and what it has seen: one for all stand-ins of a pod."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from meshtest.bookinfo.behaviour import FAILS, HOLDS, STALLS, Behaviour, Counters
from meshtest.bookinfo.message import Request, Response, json_response
from meshtest.bookinfo.plan import PlanError

RECORDED = 10_000  # the last requests that a recording keeps

_BODILESS = (204, 304)  # RFC 9110 15.3.5, 15.4.5
_draw = random.Random().random  # seeded by the system
_TCP: list[tuple[str, str]] = []


@dataclass(eq=False)
class Rule:
    """A behaviour in force: how many requests it concerned, how many it decided, and those that wait for its end."""

    behaviour: Behaviour
    concerned: int = 0
    decided: int = 0
    waiting: dict[asyncio.Future[None], float] = field(default_factory=dict)
    over: bool = False

    def decides(self) -> bool:
        """Whether it takes the next request that it concerns."""
        self.concerned += 1
        given = self.behaviour
        if self.concerned <= given.after or (given.count is not None and self.decided >= given.count):
            return False
        if _draw() >= given.share:
            return False
        self.decided += 1
        return True

    @property
    def held(self) -> int:
        """Requests that wait for somebody to let them go."""
        return len(self.waiting) if self.behaviour.kind in (HOLDS, STALLS) else 0

    def ages(self) -> list[float]:
        """Seconds that those which wait have waited, the longest first."""
        now = time.monotonic()
        return sorted((now - since for since in self.waiting.values()), reverse=True)

    async def wait(self) -> None:
        """Until a request is let go, the behaviour is taken back, or (slow) its time is over."""
        if self.over:  # it was taken back after it had decided this request, and before the request came here
            return
        gone = asyncio.get_running_loop().create_future()
        self.waiting[gone] = time.monotonic()
        timeout = None if self.behaviour.kind in (HOLDS, STALLS) else self.behaviour.seconds
        try:
            await asyncio.wait([gone], timeout=timeout)
        finally:
            self.waiting.pop(gone, None)


def release(rules: Iterable[Rule], most: int | None = None) -> int:
    """Lets go what waits for these, the oldest first; how many."""
    waiting = sorted((since, id(gone), gone, rule) for rule in rules for gone, since in rule.waiting.items())
    for _, _, gone, rule in waiting[:most]:
        del rule.waiting[gone]
        if not gone.done():
            gone.set_result(None)
    return len(waiting[:most])


class Conduct:
    """The behaviours of a pod, by numbers that whoever gives them chooses; the first that applies decides."""

    def __init__(self, podname: str) -> None:
        self.podname = podname
        self.down = False
        self.ready = True
        self._seen = Counters()
        self._rules: dict[int, Rule] = {}
        self._recordings: dict[int, deque[Mapping[str, object]]] = {}

    def behave(self, number: int, behaviour: Behaviour) -> None:
        """Puts one more behaviour in force, behind the others. Raises `PlanError` for a number that is taken."""
        if number in self._rules:
            raise PlanError(f"{self.podname} has a behaviour {number} already")
        self._rules[number] = Rule(behaviour)

    def rules(self, number: int) -> list[Rule]:
        """The behaviour of this number, if it is in force."""
        return [self._rules[number]] if number in self._rules else []

    def recover(self, numbers: Iterable[int] | None = None) -> int:
        """Takes behaviours back, all by default: what waits for them is answered. How many requests they have decided."""
        wanted = list(self._rules if numbers is None else numbers)
        gone = [self._rules.pop(number) for number in wanted if number in self._rules]
        for rule in gone:
            rule.over = True
        release(gone)
        return sum(rule.decided for rule in gone)

    def reset(self) -> None:
        """As a pod that has been restarted: nothing seen, no behaviour. Recordings go on."""
        self.recover()
        self._seen = Counters()

    def restore(self) -> None:
        """Takes back all that it was told: behaviours, recordings, that it is unready."""
        self.recover()
        self._recordings.clear()
        self.ready = True

    def record(self, number: int) -> None:
        """Starts a recording of the requests that come."""
        self._recordings[number] = deque(maxlen=RECORDED)

    def recorded(self, number: int, end: bool) -> list[Mapping[str, object]]:
        """What a recording holds; `end` ends it."""
        found = list(self._recordings.get(number, ()))
        if end:
            self._recordings.pop(number, None)
        return found

    @property
    def requests(self) -> int:
        """How many it has seen."""
        return self._seen.requests

    def observe(self, connections: int) -> dict[str, object]:
        """The counters, and of each behaviour how many requests it `decided` and has `held` now."""
        behaviours = {str(number): {"decided": rule.decided, "held": rule.held} for number, rule in self._rules.items()}
        held = sum(rule.held for rule in self._rules.values())
        return {**asdict(self._seen), "open": connections, "held": held, "behaviours": behaviours}

    def meet(self, request: Request) -> Rule | None:
        """Counts a request, and says what decides it; None leaves it to the application."""
        if self._recordings:
            self._keep(request.method, request.target, request.headers)
        return self._counted(self._decided(request.path, request.headers) if self._rules else None)

    def meet_line(self, line: bytes) -> Rule | None:
        """The same for a line of TCP, which only behaviours without a path and headers concern, and which cannot fail."""
        if self._recordings:
            self._keep("", line.decode("utf-8", "replace"), _TCP)
        return self._counted(self._decided(None, _TCP) if self._rules else None)

    def _decided(self, path: str | None, headers: list[tuple[str, str]]) -> Rule | None:
        for rule in self._rules.values():
            given = rule.behaviour
            concerned = given.concerns(path, headers) if path is not None else given.of_any and given.kind != FAILS
            if concerned and rule.decides():
                return rule
        return None

    def _counted(self, rule: Rule | None) -> Rule | None:
        self._seen.requests += 1
        if rule is None:
            self._seen.answered += 1
        else:
            self._seen.changed += 1
        return rule

    def _keep(self, method: str, target: str, headers: list[tuple[str, str]]) -> None:
        seen = {"time": time.monotonic(), "method": method, "target": target, "headers": list(headers)}
        for each in self._recordings.values():
            each.append(seen)

    def late(self) -> None:
        """The application answers a request that a behaviour was about."""
        self._seen.answered += 1


def failure(given: Behaviour, podname: str) -> Response:
    """What an instance that fails answers: in JSON that says who failed; for gRPC in the headers alone."""
    headers = tuple(given.answer_headers.items())
    if given.grpc_status is not None:
        grpc = (("content-type", "application/grpc"), ("grpc-status", str(given.grpc_status)))
        return Response(200, headers=(*grpc, *headers))
    if given.status in _BODILESS:
        return Response(given.status, headers=headers)
    said = json_response({"podname": podname, "status": given.status, "error": f"made to fail: {given}"}, given.status)
    return Response(said.status, said.body, said.content_type, headers)
