"""The experiment that a share of the requests is copied to another workload, while the answers come from where they are routed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from meshtest.judging.control import Control
from meshtest.judging.experiment import Lab
from meshtest.judging.share import Share
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.resources.edit import Put

if TYPE_CHECKING:
    from meshtest.judging.split_test import SplitTest

COPIED, ALONE = "copied", "not copied"

_ARRIVAL = 10.0  # seconds that copies which were sent may take


class Marked(Protocol):
    """A request that can be told from others: what the first proxy says of it, with its token and number."""

    @property
    def token(self) -> str:
        """Of the run."""

    @property
    def number(self) -> int:
        """Within it."""

    @property
    def upstream_instance(self) -> str:
        """Who answered it."""


@dataclass(frozen=True, kw_only=True)
class Mirrored(Share):
    """A share of the requests arrives as a copy at the workload `to`, once each, and no answer comes from there."""

    to: str

    arm = COPIED
    rest = ALONE

    def conduct(self, lab: Lab) -> Judgement:
        """Send requests, wait until all copies that the first proxy sent have arrived, and look which requests they are of."""
        test, mirror = self.test(), lab.workload(self.to)
        pods = frozenset(each.name for each in mirror.instances)
        while test.verdict is None:
            lab.progress(f"{test.requests} requests, {self._observed(test)}")
            before = _sent(lab, pods)
            with mirror.recording() as seen:
                sample = lab.send(test.suggested_batch(), causes=True)
                missing = _Missing(lab, pods, before, seen)
                if not lab.until(missing.none):
                    return self._lost(test, missing)
            answers = cast("list[Marked | None]", [each.cause for each in sample.answers()])
            test.observe_many(sort(answers, [each.header("user-agent") for each in seen.requests], pods, self.to))
        return self._judged(test)

    def _judged(self, test: SplitTest) -> Judgement:
        found = test.judgement()
        return replace(found, observed=self._observed(test), evidence={**found.evidence, "sorted_by": "copies"})

    def _lost(self, test: SplitTest, missing: _Missing) -> Judgement:
        reason = f"{missing.count} of the copies that the proxy sent to {self.to} have not arrived there"
        return Judgement(Verdict.UNDECIDED, reason, test.requests, {}, self._observed(test))

    @staticmethod
    def _observed(test: SplitTest) -> str:
        total = test.requests or 1
        return ", ".join(
            f"{name or 'nothing known'} {100 * count / total:.1f} %" for name, count in test.counts.items()
        )

    def strict(self) -> Mirrored:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> Sequence[Control]:
        """Rules that mirror another share."""
        return self.other_shares(_Remirrored)

    @property
    def configured(self) -> str:
        """`10 % mirrored to reviews-v2`."""
        return f"{self.percent:g} % mirrored to {self.to}"

    def __str__(self) -> str:
        return f"{self.configured} (within {self.margin:g} points), and answered by others"


def sort(
    causes: Iterable[Marked | None], agents: Iterable[str | None], pods: frozenset[str], to: str
) -> Iterator[str | None]:
    """For each request whether it was copied, by what the proxy says of it, and the `User-Agent` of what has arrived at the pods."""
    copies = Counter(agents)
    for cause in causes:
        if cause is None:
            yield None
        elif cause.upstream_instance in pods:
            yield f"answered by {to}"
        else:
            number = copies[f"meshtest/{cause.token}.{cause.number}"]
            yield (ALONE, COPIED)[number] if number < 2 else f"copied {number} times"


@dataclass(frozen=True)
class _Missing:
    """The copies that are under way."""

    lab: Lab
    pods: frozenset[str]
    before: int
    seen: Any

    def none(self) -> bool:
        """Whether there is none: nothing waits for a connection, and what was sent has been seen."""
        return not sum(self.lab.stats("cluster.*;.upstream_rq_pending_active").values()) and self.count <= 0

    @property
    def count(self) -> int:
        """How many were sent and have not been seen."""
        return _sent(self.lab, self.pods) - self.before - len(self.seen.requests)


def _sent(lab: Lab, pods: frozenset[str]) -> int:
    """How many requests the first proxy has sent to these pods."""
    return sum(each.stats.get("rq_total", 0) for each in lab.hosts() if each.instance in pods)


@dataclass(frozen=True)
class _Remirrored:
    """A rule mirrors such a percentage to where it mirrors anyway."""

    percent: float

    def __call__(self, rule: Mapping[str, Any]) -> Any:
        if "mirrors" in rule:
            return {**rule, "mirrors": [Put(("percentage", "value"), self.percent)(each) for each in rule["mirrors"]]}
        if "mirror" not in rule:
            raise ValueError("the control changes how much is mirrored, and the rule mirrors nothing")
        return Put(("mirrorPercentage", "value"), self.percent)(rule)


def mirrored(
    to: str,
    *,
    percent: float = 100,
    within: float = 5,
    zero_within: float = 1,
    alpha: float = 1e-6,
    beta: float = 1e-3,
) -> Mirrored:
    """A share of the requests arrives, copied once, at a workload, which answers none itself: `mirrored(to="reviews-v2", percent=10)`.

    Which requests were copied is known from the workload, which records what it sees, by their `User-Agent`; that all copies have arrived,
    from the statistics of the proxy that sends them. The figures are those of `aborted`.
    """
    made = Mirrored(percent=percent, within=within, zero_within=zero_within, alpha=alpha, beta=beta, to=to)
    _ = made.parameters  # senseless figures are said where they are written
    return made
