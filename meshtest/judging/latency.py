"""The expectation of latencies: percentiles that stay below bounds, whatever the distribution is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from meshtest.judging.answers import Answer, Answers, Reading
from meshtest.judging.composition import AllTrial
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable
from meshtest.judging.one_sided import AtMost
from meshtest.judging.quickest import duration, tolerance_of
from meshtest.judging.verdict import Forecast, Judgement, Verdict
from meshtest.resources.edit import Put

CONFIDENCE = 0.999
"""Of the bounds that are reported."""

_LEAST_BATCH, _MOST_BATCH = 100, 500
_MOST_MARGIN = 0.05


@dataclass(frozen=True)
class Latency(Composable):
    """Percentiles (in percent) of the latency stay below bounds (seconds); of answers of one `version` only, if it is given.

    A percentile of 99 below 0.2 s means that no more than 1 % of the answers take longer. `within` (percentage points) is how many more
    matter; None is as many again, and 5 at the most.
    """

    bounds: Mapping[float, float]
    version: str | None = None
    within: float | None = None
    alpha: float = 1e-6
    beta: float = 1e-3
    max_requests: int = 100_000

    causes = False

    def reading(self, version: Reading) -> Reading:
        """The version."""
        return version

    def begin(self) -> AllTrial:
        """A new trial of each percentile; ValueError for senseless figures."""
        return AllTrial([PercentileTrial(self, percent, bound) for percent, bound in self.bounds.items()])

    def test(self, percent: float) -> AtMost:
        """The test of how many answers are slower than a percentile's bound."""
        most = 1 - percent / 100
        margin = min(most, _MOST_MARGIN) if self.within is None else self.within / 100
        return AtMost(most, margin, self.alpha, self.beta)

    def strict(self) -> Latency:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> Sequence[Control]:
        """Rules that delay so many requests beyond the bound that just the margin more are slower."""
        return [self._control(percent, bound) for percent, bound in self.bounds.items()]

    def _control(self, percent: float, bound: float) -> Control:
        test = self.test(percent)
        share, longer = round(100 * (test.most + test.margin), 9), bound + tolerance_of(bound)
        delay = {"fixedDelay": duration(longer), "percentage": {"value": share}}
        return Control(f"{share:g} % take {duration(longer)}", (Edit(RULE, Put(("fault", "delay"), delay)),))

    @property
    def configured(self) -> str:
        """`p50 < 50ms, p99 < 200ms of v2`."""
        said = ", ".join(f"p{percent:g} < {duration(bound)}" for percent, bound in self.bounds.items())
        return said + (f" of {self.version}" if self.version else "")

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"{self.alpha:g} / {self.beta:g}"

    def __str__(self) -> str:
        return f"answered with latencies {self.configured}"


@dataclass
class PercentileTrial:
    """Whether one percentile is below its bound: a one-sided sequential test of how many answers are slower."""

    latency: Latency
    percent: float
    bound: float
    test: AtMost = field(init=False)
    seen: list[float] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self.test = self.latency.test(self.percent)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while there is none; UNDECIDED when too many requests have not brought one."""
        spent = self.requests >= self.latency.max_requests
        return self.test.verdict or (Verdict.UNDECIDED if spent else None)

    def take(self, answers: Answers) -> Verdict | None:
        """Look at more answers; the verdict, None while there is none."""
        for answer in answers.answers():
            if self.verdict is not None:
                break
            self.requests += 1
            if self._counts(answer):
                self.seen.append(answer.latency)
                self.test.observe(answer.latency >= self.bound)
        return self.verdict

    def _counts(self, answer: Answer) -> bool:
        return self.latency.version is None or answer.version == self.latency.version

    @property
    def _share(self) -> float:
        """Of the answers, how many count."""
        return (len(self.seen) + 1) / (self.requests + 1)

    def remaining(self) -> int:
        """About how many more requests lead to HOLDS."""
        return 0 if self.verdict else math.ceil(self.test.remaining() / self._share)

    def forecast(self) -> Forecast:
        """How many answers it will need."""
        return self.test.forecast()

    def suggested_batch(self) -> int:
        """How many requests to send before looking again."""
        return 0 if self.verdict else min(max(self.remaining(), _LEAST_BATCH), _MOST_BATCH)

    @property
    def observed(self) -> str:
        """`p99 12ms (9ms to 15ms)`: the percentile and its bounds of confidence."""
        if not self.seen:
            return f"p{self.percent:g} of no answer"
        low, high = percentile_bounds(self.seen, self.percent)
        told = [_rounded(value) for value in (percentile(self.seen, self.percent), low)]
        return f"p{self.percent:g} {told[0]} ({told[1]} to {'?' if high is None else _rounded(high)})"

    def judgement(self) -> Judgement:
        """The verdict so far with its figures."""
        low, high = percentile_bounds(self.seen, self.percent) if self.seen else (None, None)
        evidence: dict[str, object] = {
            "expectation": "latency",
            "percent": self.percent,
            "bound": self.bound,
            "slower": self.test.hits,
            "answers": len(self.seen),
            "value": percentile(self.seen, self.percent) if self.seen else None,
            "confidence": [low, high, CONFIDENCE],
            "table": [
                ("percentile", "bound", "observed", "slower"),
                (f"p{self.percent:g}", duration(self.bound), self.observed, f"{self.test.hits} of {len(self.seen)}"),
            ],
        }
        verdict = self.verdict or Verdict.UNDECIDED
        return Judgement(verdict, self._reason(verdict), self.requests, evidence, self.observed)

    def _reason(self, verdict: Verdict) -> str:
        whose = f" of {self.latency.version}" if self.latency.version else ""
        said = f"{self.test.hits} of {len(self.seen)} answers{whose} took {duration(self.bound)} or longer"
        most = f"{100 * self.test.most:.4g} % may"
        if verdict is Verdict.UNDECIDED:
            return f"{said}, which does not tell whether more than {most}"
        return f"{said}, and {most}"


def percentile(seen: Sequence[float], percent: float) -> float:
    """The smallest observation that so many percent do not exceed."""
    return sorted(seen)[max(0, math.ceil(percent / 100 * len(seen)) - 1)]


def percentile_bounds(
    seen: Sequence[float], percent: float, confidence: float = CONFIDENCE
) -> tuple[float, float | None]:
    """Between which two observations the percentile lies with this confidence; None for an upper one that is not there.

    Free of any assumption on the distribution: the number of observations below a percentile is binomial (David and Nagaraja, Order
    Statistics, 2003, section 7.1). Each side fails with half of what is missing to 1; exact for a number of observations that was fixed
    before, so that for a sequential test they describe, and do not decide.
    """
    from meshtest.judging.distributions import binomial_quantile

    ordered, q, rest = sorted(seen), percent / 100, (1 - confidence) / 2
    lower = binomial_quantile(rest, len(ordered), q) - 1  # P(fewer than so many are below) <= rest
    upper = binomial_quantile(1 - rest, len(ordered), q)
    return ordered[max(lower, 0)], ordered[upper] if upper < len(ordered) else None


def _rounded(seconds: float) -> str:
    return duration(round(seconds, 4))


def latency(
    *,
    p50: float | None = None,
    p90: float | None = None,
    p95: float | None = None,
    p99: float | None = None,
    percentiles: Mapping[float, float] | None = None,
    version: str | None = None,
    within: float | None = None,
    alpha: float = 1e-6,
    beta: float = 1e-3,
    max_requests: int = 100_000,
) -> Latency:
    """Percentiles of the latency stay below bounds in seconds: `latency(p50=0.05, p99=0.2)`; others as `percentiles={99.9: 1.5}`.

    `version` looks at the answers of one version alone. A right mesh is called VIOLATED with the probability `alpha` for each percentile at
    the most; one in which `within` percentage points more are slower than the bound (None: as many again as may be, at most 5) HOLDS with
    `beta`. After `max_requests` it is UNDECIDED. Latencies are those that the client sees: bounds must leave room for a slow machine.
    """
    named = {50.0: p50, 90.0: p90, 95.0: p95, 99.0: p99}
    bounds = {percent: bound for percent, bound in named.items() if bound is not None} | dict(percentiles or {})
    if not bounds:
        raise ValueError("say which percentile is below what: latency(p50=0.05, p99=0.2)")
    if wrong := [percent for percent in bounds if not 0 < percent < 100]:
        raise ValueError(f"a percentile lies between 0 and 100, not {wrong[0]!r}")
    if bad := [bound for bound in bounds.values() if not 0 < bound < math.inf]:
        raise ValueError(f"the bound of a percentile is in seconds and above 0, not {bad[0]!r}")
    if max_requests < 1:
        raise ValueError(f"max_requests is at least 1, not {max_requests!r}")
    made = Latency(dict(sorted(bounds.items())), version, within, alpha, beta, max_requests)
    made.begin()  # senseless figures are said where they are written
    return made
