"""A split test's verdict in words and in plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from meshtest.judging.arms import Arm, SplitParameters
from meshtest.judging.certified import anytime_interval, certified_ranges
from meshtest.judging.course import course
from meshtest.judging.verdict import Forecast, Judgement, Verdict
from meshtest.judging.walk import Decided, Walk

INTERVAL_ERROR = 0.01
"""The anytime intervals miss any of the true shares with this probability, all arms together."""

_LARGEST_EXPONENT = 300.0


@dataclass(frozen=True)
class Observed:
    """A walk and what its test knows besides: ``counts`` by name, ``stray`` the unconfigured arm that ended it, if one did."""

    walk: Walk
    counts: Mapping[str | None, int]
    stray: str | None
    forecast: Forecast
    remaining: int
    warnings: list[str]

    @property
    def parameters(self) -> SplitParameters:
        """What was asked."""
        return self.walk.boundaries.parameters

    @property
    def n(self) -> int:
        """Requests that counted."""
        return self.walk.requests

    def share(self, name: str | None) -> float:
        """The observed share of an arm, 0..1."""
        return self.counts[name] / self.n if self.n else 0.0

    def deviation(self, arm: Arm) -> float:
        """Observed minus configured share, in percentage points."""
        return float(100 * self._exact_deviation(arm))

    def _exact_deviation(self, arm: Arm) -> Fraction:
        return Fraction(self.counts[arm.name], self.n) - arm.share if self.n else Fraction(0)

    @cached_property
    def worst_arm(self) -> Arm:
        """The arm whose deviation is the largest in terms of its margin."""
        return max(self.parameters.arms, key=lambda arm: abs(self._exact_deviation(arm)) / arm.margin)

    @property
    def impossible(self) -> bool:
        """Whether something was seen that the configured weights exclude."""
        return self.walk.how in (Decided.IDLE_ARM, Decided.UNCONFIGURED_ARM)

    @cached_property
    def log_e_values(self) -> tuple[float, float]:
        """log M at the end, and its largest value on the way."""
        codes = np.frombuffer(self.walk.sequence, dtype=np.intc)
        if not codes.size or not self.walk.boundaries.mixture.alternatives:
            return 0.0, 0.0
        hits = np.cumsum(codes == np.arange(self.walk.hits.size)[:, None], axis=1, dtype=float)
        log_m = self.walk.boundaries.mixture.log_m(hits, np.arange(1.0, codes.size + 1))
        return float(log_m[-1]), max(float(log_m.max()), 0.0)


def split_judgement(observed: Observed) -> Judgement:
    """The judgement on what was observed so far."""
    verdict = observed.walk.verdict or Verdict.UNDECIDED
    return Judgement(verdict, _reason(observed), observed.n, _evidence(observed))


def _reason(observed: Observed) -> str:
    walk = observed.walk
    if walk.verdict is None:
        return _still_open(observed)
    if walk.verdict is Verdict.HOLDS:
        return _holds(observed)
    if walk.verdict is Verdict.UNDECIDED:
        return _undecided(observed)
    return _violated(observed) + "".join(f"; {warning}" for warning in observed.warnings)


def _still_open(observed: Observed) -> str:
    more = f"about {observed.remaining} more requests would decide, if the mesh is right"
    return f"no verdict yet: {more} ({observed.walk.boundaries.stop - observed.n} at the most)"


def _holds(observed: Observed) -> str:
    shares = ", ".join(f"{name} {_percent(observed.share(name))}" for name in observed.parameters.weights)
    miss = f"a mesh off by a margin or more gets here with a probability of {observed.parameters.beta:g} at the most"
    return f"every share is within its margin of the configured weight ({shares}); {miss}"


def _undecided(observed: Observed) -> str:
    return (
        f"{observed.n} requests, the limit, neither show that {_stated(observed)} holds nor that it is violated: "
        f"{observed.forecast.remedy}"
    )


def _violated(observed: Observed) -> str:
    arm = observed.worst_arm
    if observed.walk.how is Decided.UNCONFIGURED_ARM:
        return f"request {observed.n} got {_stray_answer(observed)}"
    if observed.walk.how is Decided.IDLE_ARM:
        return f"request {observed.n} went to {_idle_arm_hit(observed)}, which has weight 0"
    shares = _percent(observed.share(arm.name)), _percent(float(arm.share))
    got = f"{arm.name} got {shares[0]} of {observed.n} requests instead of {shares[1]}"
    if observed.walk.how is Decided.CAP:
        return f"{got}, and enough requests were sent to tell: this is not {_stated(observed)}"
    return f"{got}: odds of {_odds(observed.log_e_values[0])} against the configured weights"


def _stray_answer(observed: Observed) -> str:
    if observed.stray is None:
        return "an answer without a version"
    configured = ", ".join(observed.parameters.weights)
    return f"an answer from {observed.stray!r}, which is none of the configured arms ({configured})"


def _stated(observed: Observed) -> str:
    weights = "/".join(f"{weight:g}" for weight in observed.parameters.weights.values())
    return f"a split of {weights} within {observed.parameters.within:g} points"


def _idle_arm_hit(observed: Observed) -> str:
    return next(arm.name for arm in observed.parameters.arms if arm.share == 0 and observed.counts[arm.name])


def _evidence(observed: Observed) -> dict[str, object]:
    parameters, walk = observed.parameters, observed.walk
    stated = {
        name: getattr(parameters, name) for name in ("within", "zero_within", "slack", "alpha", "beta", "max_requests")
    }
    return {
        "expectation": "split",
        "requests": observed.n,
        "decided_by": None if walk.how is None else str(walk.how),
        **{name: _plain(value) for name, value in stated.items()},
        "eps": walk.boundaries.eps,
        "cap": walk.boundaries.cap,
        "arms": _arm_rows(observed),
        "worst_arm": observed.worst_arm.name,
        "deviation": observed.deviation(observed.worst_arm),
        "total_variation": _total_variation(observed),
        **_evidence_against(observed),
        "unseen_share_below": 1 - parameters.beta ** (1 / observed.n) if observed.n else 1.0,
        "course": course(walk),
        "forecast": asdict(observed.forecast),
        "warnings": list(observed.warnings),
    }


def _arm_rows(observed: Observed) -> list[dict[str, object]]:
    ranges = dict(zip((arm.name for arm in observed.parameters.arms), certified_ranges(observed.walk), strict=True))
    arms = {arm.name: arm for arm in observed.parameters.arms}
    return [_arm_row(observed, name, arms.get(name) if name is not None else None, ranges) for name in observed.counts]


def _arm_row(
    observed: Observed, name: str | None, arm: Arm | None, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, object]:
    """One arm's figures; shares 0..1, deviation and margin in percentage points, ranges as [low, high]."""
    error = INTERVAL_ERROR / len(observed.counts)
    return {
        "arm": name,
        "weight": _plain(observed.parameters.weights[arm.name]) if arm else 0,
        "configured": float(arm.share) if arm else 0.0,
        "margin": float(100 * arm.margin) if arm else 0.0,
        "count": observed.counts[name],
        "observed": observed.share(name),
        "deviation": observed.deviation(arm) if arm else 100 * observed.share(name),
        "certified": list(ranges[arm.name]) if arm else None,
        "interval": list(anytime_interval(observed.counts[name], observed.n, error)),
    }


def _evidence_against(observed: Observed) -> dict[str, object]:
    """The e-value M against the configured weights and its anytime p-value; infinite evidence is None and 0."""
    if observed.impossible:
        return {"e_value_log10": None, "odds": "impossible under the configured weights", "p_value": 0.0}
    last, largest = observed.log_e_values
    return {"e_value_log10": last / math.log(10), "odds": _odds(last), "p_value": math.exp(-largest)}


def _total_variation(observed: Observed) -> float:
    """Half the sum of the shares' absolute deviations, 0..1."""
    if not observed.n:
        return 0.0
    configured = {arm.name: float(arm.share) for arm in observed.parameters.arms}
    return sum(abs(observed.share(name) - configured.get(name or "", 0.0)) for name in observed.counts) / 2


def _odds(log_e: float) -> str:
    exponent = log_e / math.log(10)
    if abs(exponent) > _LARGEST_EXPONENT:
        return f"10^{exponent:.0f} to 1"
    return f"{10**exponent:.2g} to 1" if exponent > 0 else f"1 to {10**-exponent:.2g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _plain(value: float | None) -> float | int | None:
    """numpy's numbers as Python's, for JSON."""
    if value is None or isinstance(value, int):
        return value
    return float(value)
