"""The experiment of a circuit breaker: at exactly which concurrency it trips, with what, and that it recovers. Exact.

Requests come one by one and are held by the instance that answers, so that what each limit lets through is counted and not timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from meshtest.judging.control import Control
from meshtest.judging.experiment import Lab
from meshtest.judging.traffic_policy import policy_edit
from meshtest.judging.verdict import Judgement, Verdict

HELD, WAITS, REFUSED = "held", "waits", "refused"
_LOST = "lost"  # neither arrived nor waits nor answered
_SURPLUS = 2  # requests above the limit
_FIELDS = {
    "connections": ("connectionPool", "tcp", "maxConnections"),
    "pending": ("connectionPool", "http", "http1MaxPendingRequests"),
    "requests": ("connectionPool", "http", "http2MaxRequests"),
    "retries": ("connectionPool", "http", "maxRetries"),
}


@dataclass(frozen=True)
class Load:
    """What became of requests that came one by one: of each while the others were held, and of each in the end.

    `at` has the seconds, from the first on, after which it was known where each is; empty if it was not noted.
    """

    came: Sequence[str]
    ended: Sequence[str]
    at: Sequence[float] = ()


@dataclass(frozen=True)
class Trips:
    """The limits of a connection pool trip exactly there: what is above them is refused with 503 UO, and nothing else is.

    What `connections` leaves over waits in the pool, as many as `pending` says. `requests` limits those under way, `retries` those that
    are tried again (of a request whose first attempt is answered 503).
    """

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    retries: int | None = None

    error_rates = "exact"

    @property
    def _passing(self) -> int:
        """How many come to the instance at once."""
        found = [each for each in (self.connections, self.requests, self.retries) if each is not None]
        return min(found)

    def expected(self, number: int) -> list[str]:
        """What becomes of so many requests that come one by one, while the others are held."""
        passing = self._passing
        waiting = 0 if self.connections != passing else number if self.pending is None else self.pending
        return ([HELD] * passing + [WAITS] * waiting + [REFUSED] * number)[:number]

    @property
    def capacity(self) -> int:
        """How many are not refused at once; of those that wait without a limit, a few."""
        most = self._passing + _SURPLUS
        return most - self.expected(most).count(REFUSED) if self.pending is None else self._passing + self.pending

    def conduct(self, lab: Lab) -> Judgement:
        """At the limit, above it, and at it again, with all but one of the instances out of the endpoints."""
        above = self.capacity + _SURPLUS
        with ExitStack() as stack:
            instance, *others = lab.instances()
            for each in others:
                stack.enter_context(each.unready())
            return self.judge([self._load(lab, instance, number) for number in (self.capacity, above, self.capacity)])

    def _load(self, lab: Lab, instance: Any, number: int) -> Load:
        lab.progress(f"{number} requests at once")
        with ExitStack() as stack:
            if self.retries is not None:
                stack.enter_context(instance.fails(503, headers={"x-envoy-attempt-count": "1"}))
            with instance.holds() as hold, ExitStack() as flows:
                pool, sent = _Pool(lab, hold, [], began=lab.now()), []
                for _ in range(number):
                    sent.append(flows.enter_context(lab.flow(n=1, connections=1, causes=True, timeout=20.0)))
                    pool.take(sent)
                hold.release()
        return Load(pool.come, [_outcome(each.sample) for each in sent], pool.at)

    def judge(self, loads: Sequence[Load]) -> Judgement:
        """The judgement on what became of several loads; the first request that fared otherwise than expected decides."""
        sent = sum(len(load.came) for load in loads)
        wrong = next((each for load in loads for each in self._wrong(load)), "")
        lost = any(_LOST in load.came for load in loads)
        verdict = Verdict.UNDECIDED if lost else Verdict.VIOLATED if wrong else Verdict.HOLDS
        observed = "; ".join(_counted(load.came) for load in loads)
        rows = [
            ("at once", "while held", "in the end"),
            *((len(each.came), _counted(each.came), _counted(each.ended)) for each in loads),
        ]
        evidence = {
            "expectation": "trips",
            "loads": [{"came": [*each.came], "ended": [*each.ended], "at": [*each.at]} for each in loads],
            "table": rows,
        }
        return Judgement(
            verdict, wrong or f"each of {sent} requests fared as {self.configured} says", sent, evidence, observed
        )

    def _wrong(self, load: Load) -> Iterator[str]:
        expected = self.expected(len(load.came))
        for number, (came, ended, wanted) in enumerate(zip(load.came, load.ended, expected, strict=True), start=1):
            of = f"request {number} of {len(expected)} at once"
            if came == _LOST:
                yield f"{of} neither arrived, nor waits at the proxy, nor is answered"
            elif came != wanted:
                said = f" ({ended})" if came == REFUSED else ""
                yield (
                    f"{of} is {came}{said} where it should be {wanted}"
                    if came != WAITS
                    else f"{of} waits where it should be {wanted}"
                )
            elif not _right(ended, wanted):
                yield f"{of}, {wanted}, ended with {ended}"

    def strict(self) -> Trips:
        """Itself: it is exact."""
        return self

    def controls(self) -> list[Control]:
        """Each limit one lower, or none instead of one; and one higher."""
        found = []
        for name, path in _FIELDS.items():
            limit = getattr(self, name)
            for other in () if limit is None else (limit - 1, limit + 1):
                said = f"{other} {name} instead of {limit}" if other else f"no limit of {name} instead of {limit}"
                found.append(Control(said, (policy_edit(path, other),)))
        return found

    @property
    def configured(self) -> str:
        """`connections 2, pending 1`."""
        return ", ".join(f"{name} {getattr(self, name)}" for name in _FIELDS if getattr(self, name) is not None)

    def __str__(self) -> str:
        return f"refused with 503 UO above exactly {self.configured}, and not otherwise"


@dataclass
class _Pool:
    """The requests so far, and where they are: held by the instance, waiting at the proxy, or answered."""

    lab: Lab
    hold: Any
    come: list[str]
    began: float
    at: list[float] = field(default_factory=list)

    def take(self, sent: Sequence[Any]) -> None:
        """Note where the last of these requests is, and when that was known."""
        self.come.append(self.placed(sent))
        self.at.append(round(self.lab.now() - self.began, 4))

    def placed(self, sent: Sequence[Any]) -> str:
        """Where the last of these requests is, once it does not move any more."""
        place = ""

        def settled() -> bool:
            nonlocal place
            before, place = place, self._place(sent)
            # Two figures of a proxy are never of one moment: one look alone finds requests waiting that are about to get a connection.
            return place in (HELD, REFUSED) or (place == WAITS and before == WAITS)

        return place if self.lab.until(settled, 30) else _LOST

    def _place(self, sent: Sequence[Any]) -> str:
        """Where the last one is; empty while it is on its way: a request that waits while a connection is being made for it."""
        if sent[-1].done:
            return REFUSED
        held, before = self.hold.held, self.come.count(HELD)
        if held > before:
            return HELD
        waiting, connected = self._gauge("upstream_rq_pending_active"), self._gauge("upstream_cx_active")
        return WAITS if waiting > self.come.count(WAITS) and held >= connected else ""

    def _gauge(self, name: str) -> int:
        clusters = {each.cluster for each in self.lab.destinations()}
        return sum(sum(self.lab.stats(f"cluster.{each}*.{name}").values()) for each in clusters)


def trips(
    *,
    connections: int | None = None,
    pending: int | None = None,
    requests: int | None = None,
    retries: int | None = None,
) -> Trips:
    """A circuit breaker trips exactly there: `trips(connections=2, pending=1)`, `trips(requests=3)`, `trips(retries=1)`.

    These are `maxConnections`, `http1MaxPendingRequests`, `http2MaxRequests` and `maxRetries` of a connection pool. Requests come one by
    one and are held by the one instance that is left in the endpoints: `connections` of them arrive, `pending` wait (any number, if it is
    None), the others get 503 UO at once; all that were let in are answered when they are let go, and then it is the same again. For
    `retries` the rule must retry 503 at least once.
    """
    made = Trips(connections, pending, requests, retries)
    limits = [each for each in (connections, pending, requests, retries) if each is not None]
    if not limits or any(each < 1 for each in limits):
        raise ValueError("say at least one limit, each from 1 on: 0 is no limit for Istio")
    if pending is not None and connections is None:
        raise ValueError("requests wait for a connection: pending= needs connections=")
    if retries is not None and len(limits) > 1:
        raise ValueError(
            "retries= is looked at by itself: while retried requests are held, other limits cannot be reached"
        )
    return made


def _outcome(sample: Any) -> str:
    """`200 - via_upstream`, as the first proxy's log has it; or the transport error."""
    (row,) = sample.rows()
    return row.error or (row.cause.summary if row.cause is not None else f"{row.status}, of which the log says nothing")


def _right(ended: str, came: str) -> bool:
    return ended.startswith("503 UO ") if came == REFUSED else ended.startswith("200 - ")


def _counted(what: Sequence[str]) -> str:
    return ", ".join(f"{what.count(each)} {each}" for each in dict.fromkeys(what))
