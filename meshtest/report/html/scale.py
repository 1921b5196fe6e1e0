"""Axes: from figures to places in a plot, and round figures to label."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Figures from `low` to `high` to places from `begin` to `end`, in proportion; what lies outside is put at the edge."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a figure is, to a tenth."""
        width = self.high - self.low or 1.0
        part = min(max((value - self.low) / width, 0.0), 1.0)
        return round(self.begin + part * (self.end - self.begin), 1)

    def ticks(self, about: int = 5) -> list[float]:
        """About so many round figures (1, 2 or 5 times a power of ten apart) within it."""
        step = _round((self.high - self.low) / max(about, 1) or 1.0)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + number) * step, 12) for number in range(count)]


def _round(step: float) -> float:
    """The nearest of 1, 2, 5 or 10 times a power of ten that is no smaller."""
    power = float(10 ** math.floor(math.log10(step)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
