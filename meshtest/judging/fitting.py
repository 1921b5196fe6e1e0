"""Which tolerance would make a test fit a limit on requests."""

from __future__ import annotations

import math
from dataclasses import replace

from meshtest.judging.arms import SplitParameters
from meshtest.judging.boundaries import Boundaries
from meshtest.judging.cap import terminal_test
from meshtest.judging.hypotheses import defect_hypotheses

_STEPS_PER_POINT = 10


def fitting_tolerances(boundaries: Boundaries) -> tuple[float | None, float | None]:
    """The least (``within``, ``zero_within``), in tenths of a point, with a cap of ``max_requests`` at the most.

    None for one that need not change; both None if the test fits as it is, or if no tolerance does (a rare arm must
    still be seen).
    """
    parameters, limit = boundaries.parameters, boundaries.parameters.max_requests
    if limit is None or boundaries.decisive:
        return None, None
    zero_within = _fitting_zero_within(parameters, int(limit))
    relaxed = parameters if zero_within is None else replace(parameters, zero_within=zero_within)
    if _fits(relaxed):
        return None, zero_within
    within = _fitting_within(relaxed)
    return (None, None) if within is None else (within, zero_within)


def _fitting_zero_within(parameters: SplitParameters, limit: int) -> float | None:
    """What arms of weight 0 need: (1 - zero_within)^limit <= beta."""
    needed = 100 * -math.expm1(math.log(parameters.beta) / limit)
    if parameters.idle == 0 or needed <= parameters.zero_within:
        return None
    return min(_tenths_up(needed), 99.9)


def _fitting_within(parameters: SplitParameters) -> float | None:
    """Bisection over tenths of a point; the cap falls with the tolerance but for the rounding of counts, hence the last check."""
    least, most = math.floor(parameters.within * _STEPS_PER_POINT), 100 * _STEPS_PER_POINT - 1
    if not _fits_within(parameters, most):
        return None
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if _fits_within(parameters, middle) else (middle, most)
    return most / _STEPS_PER_POINT


def _fits_within(parameters: SplitParameters, steps: int) -> bool:
    return _fits(replace(parameters, within=steps / _STEPS_PER_POINT))


def _fits(parameters: SplitParameters) -> bool:
    test = terminal_test(parameters, defect_hypotheses(parameters, 0.0))
    return parameters.max_requests is None or test.smallest_sufficient() <= parameters.max_requests


def _tenths_up(points: float) -> float:
    return math.ceil(points * _STEPS_PER_POINT) / _STEPS_PER_POINT
