"""What has changed since another run: what is red that was not, what is no longer, what answers slower."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from meshtest.report.record import PASSED, Record, Test

ALPHA = 1e-6
"""The probability of calling a version slower that answers as fast as before."""
_MOST = 1000  # answers that are counted: with more the probability is only smaller
_NOW, _THEN = 0.5, 0.9


@dataclass(frozen=True)
class Slower:
    """Half of the answers take longer now (seconds) than nine tenths of them did in the other run."""

    nodeid: str
    name: str
    then: float
    now: float

    def __str__(self) -> str:
        return (
            f"slower: {self.nodeid}: half of the answers of {self.name} take {1000 * self.now:.3g} ms and more, nine tenths took "
            f"{1000 * self.then:.3g} ms at the most"
        )


@dataclass(frozen=True)
class Comparison:
    """Tests (by node id) that are red and were green or not there, that are green and were red, that are gone; what is slower.

    `began` is when the other run began.
    """

    began: str
    new: tuple[str, ...]
    mended: tuple[str, ...]
    gone: tuple[str, ...]
    slower: tuple[Slower, ...]

    def lines(self) -> list[str]:
        """A line for each."""
        words = {"newly red": self.new, "mended": self.mended, "gone": self.gone}
        return [f"{word}: {each}" for word, several in words.items() for each in several] + list(map(str, self.slower))


def compare(record: Record, baseline: Record) -> Comparison:
    """What has changed from `baseline` to `record`; tests are the same if their node ids are."""
    now, then = _tests(record), _tests(baseline)
    both = [nodeid for nodeid in now if nodeid in then]
    missing = {each.nodeid for each in record.run.missing}
    chosen = {nodeid.partition("::")[0] for nodeid in now}
    return Comparison(
        baseline.run.began,
        new=tuple(each for each, test in now.items() if test.red and not (each in then and then[each].red)),
        mended=tuple(each for each in both if then[each].red and now[each].outcome == PASSED),
        gone=tuple(
            each for each in then if each not in now and each not in missing and each.partition("::")[0] in chosen
        ),
        slower=tuple(found for each in both for found in _slower(now[each], then[each])),
    )


def _tests(record: Record) -> dict[str, Test]:
    return {each.nodeid: each for each in record.tests}


def _slower(now: Test, then: Test) -> Iterator[Slower]:
    before = dict(_latencies(then))
    for key, row in _latencies(now):
        old = before.get(key)
        if old is not None and row["p50"] > old["p90"] and chance(int(row["answers"]), int(old["answers"])) <= ALPHA:
            yield Slower(now.nodeid, str(key[-1]), old["p90"], row["p50"])


def _latencies(test: Test) -> Iterator[tuple[tuple[int, str], Mapping[str, Any]]]:
    for number, finding in enumerate(test.verdicts):
        latency = finding.get("evidence", {}).get("latency") or {}
        for row in latency.get("rows", ()):
            yield (number, str(row["name"])), row


@lru_cache
def chance(now: int, then: int) -> float:
    """How likely the median of `now` latencies is above the ninth decile of `then` others, if all are of one distribution.

    Exactly (for a continuous distribution): of all orders of both together those in which the i-th of the ones comes behind the j-th of the
    others, which is a sum of the hypergeometric distribution. Of more than 1,000 only so many are counted.
    """
    n, m = min(now, _MOST), min(then, _MOST)
    if not n or not m:
        return 1.0
    i, j = math.ceil(_NOW * n), math.ceil(_THEN * m)
    draws = i + j - 1
    ways = sum(math.comb(m, k) * math.comb(n, draws - k) for k in range(j, min(m, draws) + 1) if draws - k <= n)
    return ways / math.comb(n + m, draws)
