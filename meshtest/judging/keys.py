"""Where the keys of a consistent hash lead: judged by the instances that answered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meshtest.judging.verdict import Judgement, Verdict

ERROR = 1e-6
"""A right mesh is called VIOLATED with this probability at the most, by each of the bounds."""

_UNEVEN = 0.25
"""By so much less than an even share an instance may get of all possible keys.

The share of an instance on a ring of 1024 points, of which it has n of N, varies by sqrt((N - n) / N / n) of itself (the spacings of
random points): 4.4 % with three instances, of which this is more than five. Maglev's shares are even within a hundredth.
"""

Places = Sequence[str | None]
"""The instance that answered, by key; None is an answer of no instance."""


@dataclass(frozen=True)
class Keys:
    """What came of the same keys: `rounds` with all instances there, `without` while the last one was away, `back` when it had come back.

    `instances` are all that there are; `anonymous` are the answers to requests without a key.
    """

    instances: Sequence[str]
    rounds: Sequence[Places]
    anonymous: Places = ()
    without: Places = ()
    back: Places = ()
    moves: float = 20
    spread: bool = True

    @property
    def first(self) -> Places:
        """Where each key leads."""
        return self.rounds[0]

    @property
    def requests(self) -> int:
        """How many answers there are."""
        return sum(map(len, (*self.rounds, self.anonymous, self.without, self.back)))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many keys each instance has."""
        return {name: list(self.first).count(name) for name in self.instances}

    @property
    def gone(self) -> str:
        """The instance that was away."""
        return self.instances[-1]

    @property
    def staying(self) -> int:
        """How many keys had another instance than the one that was away."""
        return len(self.first) - self.counts[self.gone]

    @property
    def moved(self) -> int:
        """How many of them had yet another instance meanwhile."""
        pairs = zip(self.first, self.without, strict=False)
        return sum(before not in (self.gone, after) for before, after in pairs)

    def judgement(self) -> Judgement:
        """VIOLATED for the first thing that is wrong, else HOLDS."""
        wrong = next(self._wrong(), None)
        verdict = Verdict.HOLDS if wrong is None else Verdict.VIOLATED
        evidence: dict[str, object] = {
            "expectation": "sticky",
            "keys": len(self.first),
            "rounds": len(self.rounds),
            "counts": dict(self.counts),
            "moved": self.moved if self.without else None,
        }
        return Judgement(verdict, wrong or self._right(), self.requests, evidence, self._observed(wrong))

    def _wrong(self) -> Iterator[str]:
        yield from self._strangers()
        yield from self._unsteady()
        if self.spread:
            yield from self._uneven()
        if self.anonymous and (missing := set(self.instances) - set(self.anonymous)):
            yield f"{len(self.anonymous)} requests without a key never reached {', '.join(sorted(missing))}"
        if self.without:
            yield from self._disturbed()

    def _strangers(self) -> Iterator[str]:
        for places in (*self.rounds, self.anonymous, self.without, self.back):
            for place in places:
                if place not in self.instances:
                    yield f"an answer of {place or 'no instance'}, and not of {', '.join(self.instances)}"

    def _unsteady(self) -> Iterator[str]:
        for number, places in enumerate(self.rounds[1:], 2):
            if changed := _changed(self.first, places):
                yield f"{changed} of {len(places)} keys led elsewhere when they were sent for the {_nth(number)} time"

    def _uneven(self) -> Iterator[str]:
        least = least_keys(len(self.first), len(self.instances))
        for name, count in self.counts.items():
            if count < least:
                yield f"{name} has {count} of {len(self.first)} keys, fewer than {least}"

    def _disturbed(self) -> Iterator[str]:
        if astray := list(self.without).count(self.gone):
            yield f"{astray} answers of {self.gone} while it was away"
        most = most_moved(self.staying, self.moves)
        if self.moved > most:
            yield f"{self.moved} of {self.staying} keys moved that {self.gone} did not have, more than {most}"
        if changed := _changed(self.first, self.back):
            yield f"{changed} of {len(self.back)} keys led elsewhere when {self.gone} had come back"

    def _right(self) -> str:
        said = f"each of {len(self.first)} keys led to one instance, {len(self.rounds)} times"
        if self.without:
            said += f"; {self.moved} of the {self.staying} that {self.gone} did not have moved while it was away, and all came back"
        return said

    def _observed(self, wrong: str | None) -> str:
        shares = ", ".join(f"{name} {count} keys" for name, count in self.counts.items())
        return shares + (f"; {self.moved} of {self.staying} others moved" if self.without else "")


def least_keys(keys: int, instances: int) -> int:
    """The fewest of so many keys that an instance must have; 0 if they are too few to tell."""
    from meshtest.judging.distributions import binomial_quantile

    return binomial_quantile(ERROR / instances, keys, (1 - _UNEVEN) / instances)


def most_moved(keys: int, percent: float) -> int:
    """The most of so many keys that may move if each does so with this probability."""
    from meshtest.judging.distributions import binomial_upper_quantile

    return binomial_upper_quantile(ERROR, keys, percent / 100)


def _changed(before: Places, after: Places) -> int:
    return sum(one != other for one, other in zip(before, after, strict=True))


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
