"""The expectation of an achieved rate, told apart from a slow machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.experiment import Experiment, Lab
from meshtest.judging.quickest import duration
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.resources.edit import Put


class Paced(Protocol):
    """A sample, by the answers a second that it saw."""

    @property
    def rate(self) -> float:
        """HTTP answers a second."""


@dataclass(frozen=True)
class Rate:
    """At least so many answers a second over `connections` at once, in the best of up to `bursts` of so many `requests`.

    What limits a rate limits it in each burst, and a slow machine would have to. `within` (percent) is how much less does not matter.
    """

    at_least: float
    connections: int
    within: float
    requests: int
    bursts: int

    error_rates = "exact"

    def conduct(self, lab: Lab) -> Judgement:
        """Send bursts until one is fast enough."""
        seen: list[float] = []
        while len(seen) < self.bursts and (not seen or max(seen) < self.at_least):
            lab.progress(f"{len(seen)} bursts, the best {max(seen, default=0):.4g} a second")
            seen.append(cast("Paced", lab.send(self.requests, connections=self.connections)).rate)
        return self.judge(seen)

    def judge(self, rates: Sequence[float]) -> Judgement:
        """The judgement on the rates (answers a second) of bursts."""
        if not rates:
            return Judgement(Verdict.UNDECIDED, "no burst was sent", 0)
        best, sent = max(rates), len(rates) * self.requests
        verdict = Verdict.HOLDS if best >= self.at_least * (1 - self.within / 100) else Verdict.VIOLATED
        reason = f"the best of {len(rates)} bursts had {best:.4g} answers a second; at least {self.at_least:g} must be"
        evidence = {"expectation": "rate", "rates": list(rates), "at_least": self.at_least}
        return Judgement(verdict, reason, sent, evidence, f"{best:.4g} a second")

    def strict(self) -> Rate:
        """Itself: chance plays no part."""
        return self

    def controls(self) -> Sequence[Control]:
        """A rule that delays each request, so that the connections reach twice the margin less (a delay may be short by milliseconds)."""
        slowest = self.connections / (self.at_least * (1 - 2 * self.within / 100))
        name = f"no more than {self.connections / slowest:g} a second"
        delay = {"fixedDelay": duration(round(slowest, 6)), "percentage": {"value": 100}}
        return (Control(name, (Edit(RULE, Put(("fault", "delay"), delay)),)),)

    @property
    def configured(self) -> str:
        """`at least 100 a second`."""
        return f"at least {self.at_least:g} a second"

    def __str__(self) -> str:
        return f"answered at a rate of {self.configured} over {self.connections} connections"


def rate(at_least: float, *, connections: int = 16, within: float = 10, requests: int = 100, bursts: int = 5) -> Rate:
    """So many answers a second are achieved over so many connections: `rate(at_least=100)`.

    It HOLDS as soon as one of `bursts` bursts of `requests` is so fast, but for `within` percent, and is VIOLATED if none is.
    """
    for name, value, low, high in (("at_least", at_least, 0, 1e9), ("within", within, 0, 40)):
        if not low < value <= high:
            raise ValueError(f"{name} is above {low} and no more than {high:g}, not {value!r}")
    if min(connections, requests, bursts) < 1:
        raise ValueError("connections, requests and bursts are at least 1")
    made: Experiment = Rate(at_least, connections, within, requests, bursts)
    return cast("Rate", made)
