"""What every expectation answers with: a verdict, the sentence that explains it and the plain data behind both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The three possible answers; the value of each is its name."""

    HOLDS = "HOLDS"
    VIOLATED = "VIOLATED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Forecast:
    """How many requests a mesh that does what it should is going to need, computed before the first one is sent.

    ``mean`` and ``p95`` are requests until the verdict, ``cap`` is the number after which the test decides whatever it
    saw. ``max_requests`` is the user's limit, if any. When it is below ``cap``, ``within_that_fits`` and
    ``zero_within_that_fits`` (percentage points) are the smallest tolerances, rounded up to a tenth, for which it would
    not be; None where no change is needed or none helps.
    """

    mean: float
    p95: int
    cap: int
    max_requests: int | None = None
    within_that_fits: float | None = None
    zero_within_that_fits: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the test is certain to decide: False when ``max_requests`` is below the cap, so that it may end UNDECIDED."""
        return self.max_requests is None or self.max_requests >= self.cap

    @property
    def remedy(self) -> str:
        """What to change so that the test is certain to decide; empty when it is."""
        if self.fits:
            return ""
        wanted = {"within": self.within_that_fits, "zero_within": self.zero_within_that_fits}
        fitting = " and ".join(f"{name}={value:g}" for name, value in wanted.items() if value is not None)
        enough = f"max_requests={self.cap}"
        return f"{fitting} would fit, as would {enough}" if fitting else f"no tolerance would fit, but {enough} would"

    def __str__(self) -> str:
        typical = f"about {self.mean:.0f} requests if the mesh is right (95 % of runs within {self.p95})"
        expected = f"{typical}, {self.cap} at the most"
        if self.fits:
            return f"{expected}."
        return f"{expected}, but only {self.max_requests} are allowed, so this may end UNDECIDED: {self.remedy}."


@dataclass(frozen=True)
class Judgement:
    """A verdict on one expectation, after ``requests`` observations.

    ``reason`` is one sentence in plain English, ``observed`` what was seen in short, for a table. ``evidence`` is plain data (what
    ``json.dumps`` takes, no infinities), its keys chosen by the expectation that made it.
    """

    verdict: Verdict
    reason: str
    requests: int
    evidence: Mapping[str, object] = field(default_factory=dict)
    observed: str = ""

    def __str__(self) -> str:
        return f"{self.verdict} after {self.requests} requests: {self.reason}"
