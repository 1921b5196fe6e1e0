"""The expectation of authorization as a matrix: what may be asked by whom, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from meshtest.judging.verdict import Forecast, Judgement, Verdict

Cell = tuple[str, Hashable]
"""Who asks (a workload, or `ingress`), and what."""

MARK = "rbac_access_denied"
"""How the response code details of a proxy begin that turned a request away by a policy (Envoy's RBAC filter)."""


@dataclass(frozen=True)
class Asked:
    """What came of one request: the status, and the details of the proxy that turned it away by a policy (empty if none did)."""

    status: int
    denied: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.denied}".strip()


@dataclass(frozen=True)
class Permissions:
    """Each cell says whether requests are let through (True) or turned away by a policy (False): 403 with RBAC details, nothing else.

    Policies decide by what a request is, not by chance: a few requests a cell are enough. A right mesh is never called VIOLATED; one in
    which `within` (percentage points) or more of a cell's requests go wrong is called HOLDS with a probability of `beta` at the most.
    """

    cells: Mapping[Cell, bool]
    within: float = 50
    beta: float = 1e-3

    @property
    def requests(self) -> int:
        """How many requests each cell takes: (1 - within)^n <= beta."""
        return max(1, math.ceil(math.log(self.beta) / math.log1p(-self.within / 100)))

    def forecast(self) -> Forecast:
        """How many requests it will need."""
        whole = self.requests * len(self.cells)
        return Forecast(whole, whole, whole)

    def strict(self) -> Permissions:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def judge(self, found: Mapping[Cell, Sequence[Asked]]) -> Judgement:
        """The verdict on what came in each cell; a wrong one decides, even if others have not been asked."""
        wrong = dict(self._odd(found))
        short = [cell for cell in self.cells if len(found.get(cell, ())) < self.requests]
        verdict = Verdict.VIOLATED if wrong else Verdict.UNDECIDED if short else Verdict.HOLDS
        asked = sum(map(len, found.values()))
        evidence = {
            "expectation": "permissions",
            "table": [_COLUMNS, *(self._row(cell, found.get(cell, ())) for cell in self.cells)],
        }
        return Judgement(verdict, self._reason(wrong, short), asked, evidence, self._observed(wrong, found))

    def _odd(self, found: Mapping[Cell, Sequence[Asked]]) -> Iterator[tuple[Cell, Asked]]:
        """The cells that are wrong, each with the first answer that is."""
        for cell, allowed in self.cells.items():
            if odd := next((each for each in found.get(cell, ()) if not _right(each, allowed)), None):
                yield cell, odd

    def _row(self, cell: Cell, found: Sequence[Asked]) -> list[str]:
        came = ", ".join(dict.fromkeys(map(str, found))) or "not asked"
        right = "" if all(_right(each, self.cells[cell]) for each in found) else "WRONG"
        return [f"{cell[0]}: {cell[1]}", _word(self.cells[cell]), came, right]

    def _reason(self, wrong: Mapping[Cell, Asked], short: Sequence[Cell]) -> str:
        if wrong:
            return "; ".join(
                f"{who}: {what} is to be {_word(self.cells[who, what])}, got {odd}"
                for (who, what), odd in wrong.items()
            )
        if short:
            return f"{len(short)} of {len(self.cells)} cells got fewer than {self.requests} answers"
        miss = f"a cell in which {self.within:g} % or more go wrong is missed with a probability of {self.beta:g} at the most"
        return f"all {len(self.cells)} cells are as stated, {self.requests} requests each; {miss}"

    @staticmethod
    def _observed(wrong: Mapping[Cell, Asked], found: Mapping[Cell, Sequence[Asked]]) -> str:
        return f"{len(wrong)} of {len(found)} cells wrong" if wrong else f"{len(found)} cells as stated"

    @property
    def configured(self) -> str:
        """`3 of 8 cells allowed`."""
        return f"{sum(self.cells.values())} of {len(self.cells)} cells allowed"

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh with a wrong cell right."""
        return f"0 / {self.beta:g}"

    def __str__(self) -> str:
        return f"let through or turned away as the table says ({self.configured})"


_COLUMNS = ["who asks what", "stated", "came", ""]


def _word(allowed: bool) -> str:
    return "allowed" if allowed else "denied"


def _right(asked: Asked, allowed: bool) -> bool:
    return not asked.denied if allowed else asked.status == 403 and bool(asked.denied)
