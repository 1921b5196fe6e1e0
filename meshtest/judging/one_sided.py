"""Whether a share is not above a limit: a sequential probability ratio test, one-sided."""

from __future__ import annotations

import math
from dataclasses import dataclass

from meshtest.judging.verdict import Forecast, Verdict


@dataclass
class AtMost:
    """Whether no more than a share `most` (0..1) of what is observed is so, told from `most + margin`.

    Wald's test between the two (Sequential Analysis, 1947): under any share up to `most` the likelihood ratio is a supermartingale, and so
    is its inverse from `most + margin` on, so that by Ville's inequality a share that is right is called VIOLATED with `alpha` at the most,
    and one above by the margin HOLDS with `beta`, whenever one looks. Between the two either is right.
    """

    most: float
    margin: float
    alpha: float = 1e-6
    beta: float = 1e-3
    observed: int = 0
    hits: int = 0
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        if not 0 < self.most < 1 or not 0 < self.margin < 1 - self.most:
            raise ValueError(
                f"a share and its margin lie between 0 and 1 together, not {self.most:.6g} and {self.margin:.6g}"
            )
        if not 0 < self.alpha < 1 or not 0 < self.beta < 1:
            raise ValueError(f"alpha and beta lie between 0 and 1, not {self.alpha:g} and {self.beta:g}")

    def observe(self, hit: bool) -> Verdict | None:
        """Take one more; the verdict, None while there is none. After the verdict observations are ignored."""
        if self.verdict is None:
            self.observed, self.hits = self.observed + 1, self.hits + hit
            ratio = self.hits * self._up + (self.observed - self.hits) * self._down
            if ratio >= -math.log(self.alpha):
                self.verdict = Verdict.VIOLATED
            elif ratio <= math.log(self.beta):
                self.verdict = Verdict.HOLDS
        return self.verdict

    @property
    def _up(self) -> float:
        """What a hit adds to the logarithm of the likelihood ratio."""
        return math.log1p(self.margin / self.most)

    @property
    def _down(self) -> float:
        return math.log1p(-self.margin / (1 - self.most))

    def remaining(self) -> int:
        """About how many more lead to HOLDS if none is a hit any more; 0 once there is a verdict."""
        if self.verdict is not None:
            return 0
        ratio = self.hits * self._up + (self.observed - self.hits) * self._down
        return max(1, math.ceil((math.log(self.beta) - ratio) / self._down))

    def forecast(self) -> Forecast:
        """How many it takes if none is a hit, as where the share is far below the limit; at the limit itself some times as many."""
        fewest = math.ceil(math.log(self.beta) / self._down)
        drift = self.most * self._up + (1 - self.most) * self._down
        return Forecast(fewest, math.ceil(math.log(self.beta) / drift), math.ceil(20 * math.log(self.beta) / drift))
