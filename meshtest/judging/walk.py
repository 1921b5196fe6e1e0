"""The walk of one sequence of observations along the boundaries, to the first that it crosses."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meshtest.judging.boundaries import Boundaries
from meshtest.judging.distributions import Floats
from meshtest.judging.verdict import Verdict

UNCONFIGURED = -1
"""The code of an observation that belongs to none of the configured arms."""

_BLOCK = 2048


class Decided(StrEnum):
    """What ended a walk."""

    BOUNDARY = "boundary"
    CAP = "cap"
    IDLE_ARM = "idle arm"
    UNCONFIGURED_ARM = "unconfigured arm"
    LIMIT = "limit"


class _Crossing(NamedTuple):
    """An event in a block, after observation ``at`` (0-based); of several at one the least ``rank`` counts."""

    at: int
    rank: int
    verdict: Verdict
    how: Decided


@dataclass(frozen=True)
class _Block:
    """Running counts after each observation of a block: ``hits`` and ``misses`` (K, m), ``n`` (m,)."""

    hits: Floats
    misses: Floats
    n: Floats


class Walk:
    """Counts, refuted hypotheses and the decision; observations are indexes of ``parameters.arms`` or ``UNCONFIGURED``.

    At the same request a stray one comes first, then HOLDS, then VIOLATED, then the cap: so HOLDS means that every
    hypothesis is refuted, and the other way round (unless a request went astray).
    """

    def __init__(self, boundaries: Boundaries) -> None:
        self.boundaries = boundaries
        self.requests = 0
        self.hits: NDArray[np.int64] = np.zeros(len(boundaries.parameters.arms), np.int64)
        self.refuted: NDArray[np.bool_] = np.zeros(len(boundaries.hypotheses), np.bool_)
        self.sequence = array("i")
        self.verdict: Verdict | None = None
        self.how: Decided | None = None

    def advance(self, codes: NDArray[np.int32]) -> int:
        """Observe ``codes`` in order up to the decision; returns how many of them counted."""
        before = self.requests
        codes = codes[: self.boundaries.stop - before]
        for start in range(0, codes.size, _BLOCK):
            if self.verdict is not None:
                break
            self._advance_block(codes[start : start + _BLOCK])
        return self.requests - before

    def _advance_block(self, codes: NDArray[np.int32]) -> None:
        stray = np.flatnonzero(codes < self.boundaries.parameters.idle)
        clean = int(stray[0]) if stray.size else codes.size
        block = self._running_counts(codes[:clean])
        refuted_at = self._refuted_at(block)
        crossings = [*self._boundary_crossings(block, refuted_at), *self._stray(codes, clean)]
        first = min(crossings, default=None)
        end = codes.size if first is None else first.at + 1
        self._take(codes[:end], refuted_at < end)
        if first is not None:
            self.verdict, self.how = first.verdict, first.how
        elif self.requests == self.boundaries.stop:
            self._stop()

    def _running_counts(self, codes: NDArray[np.int32]) -> _Block:
        arms = np.arange(self.hits.size)[:, None]
        hits = np.cumsum(codes == arms, axis=1, dtype=np.float64)
        hits += self.hits[:, None]
        n = np.arange(self.requests + 1, self.requests + codes.size + 1, dtype=np.float64)
        return _Block(hits, n - hits, n)

    def _refuted_at(self, block: _Block) -> NDArray[np.int64]:
        """The index in the block at which each hypothesis is refuted: -1 if before, the largest integer if not in it."""
        never = np.iinfo(np.int64).max
        found = np.where(self.refuted, -1, never)
        for j in np.flatnonzero(~self.refuted):
            h = self.boundaries.hypotheses[j]
            crossed = h.log_e(block.hits[h.arm], block.misses[h.arm]) >= h.barrier
            if crossed.any():
                found[j] = int(crossed.argmax())
        return found

    def _boundary_crossings(self, block: _Block, refuted_at: NDArray[np.int64]) -> list[_Crossing]:
        crossings = []
        if (last := int(refuted_at.max())) < block.n.size:
            crossings.append(_Crossing(last, 1, Verdict.HOLDS, Decided.BOUNDARY))
        if (excess := self.boundaries.mixture.first_excess(block.hits, block.n)) is not None:
            crossings.append(_Crossing(excess, 2, Verdict.VIOLATED, Decided.BOUNDARY))
        return crossings

    def _stray(self, codes: NDArray[np.int32], clean: int) -> list[_Crossing]:
        if clean == codes.size:
            return []
        how = Decided.UNCONFIGURED_ARM if codes[clean] == UNCONFIGURED else Decided.IDLE_ARM
        return [_Crossing(clean, 0, Verdict.VIOLATED, how)]

    def _take(self, codes: NDArray[np.int32], refuted: NDArray[np.bool_]) -> None:
        self.requests += codes.size
        self.hits += np.bincount(codes[codes >= 0], minlength=self.hits.size)
        self.refuted |= refuted
        self.sequence.frombytes(codes.astype(np.intc).tobytes())

    def _stop(self) -> None:
        accepted = self.boundaries.accepted_at_stop(self.hits)
        if accepted.all():
            self.verdict = Verdict.HOLDS
            self.refuted |= accepted
        else:
            self.verdict = Verdict.VIOLATED if self.boundaries.decisive else Verdict.UNDECIDED
        self.how = Decided.CAP if self.boundaries.decisive else Decided.LIMIT
