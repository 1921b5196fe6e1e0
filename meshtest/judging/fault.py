"""The expectations of injected faults: aborts and delays, told by their flags (FI, DI) and not by a status or a slow answer.

Envoy sets FI and DI where its fault filter acts, and nowhere else (envoy/stream_info/stream_info.h).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtest.judging.answers import Answer, Reading
from meshtest.judging.composition import AllTrial
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable, Trial
from meshtest.judging.grpc import grpc_code, grpc_name, grpc_status
from meshtest.judging.quickest import QuickestTrial, Span, duration, tolerance_of
from meshtest.judging.sequential import SharesTrial
from meshtest.judging.share import Share, percentage
from meshtest.resources.edit import Put

ABORTED, DELAYED, PASSED = "aborted", "delayed", "passed"


@dataclass(frozen=True, kw_only=True)
class _Faulted(Share, Composable):
    """A share of the requests gets a fault, the rest none."""

    causes = True
    rest = PASSED

    def _shares(self) -> SharesTrial:
        return SharesTrial(self.test(), self._sort)

    def _sort(self, answer: Answer) -> str | None:
        raise NotImplementedError

    def _other_shares(self, fault: str, field: Mapping[str, Any]) -> list[Control]:
        """Rules whose fault has another share; `field` is what else the fault has."""
        return self.other_shares(lambda percent: Put(("fault", fault), percentage(percent, field)))


@dataclass(frozen=True, kw_only=True)
class Aborted(_Faulted):
    """A share of the requests is aborted with an HTTP `status` (or a gRPC `code`) by an injected fault, and no others."""

    status: int | None = 503
    code: int | None = None

    arm = ABORTED

    def reading(self, version: Reading) -> Reading:
        """The gRPC status."""
        return grpc_status

    def begin(self) -> Trial:
        """A new trial; ValueError for senseless figures."""
        return self._shares()

    def _sort(self, answer: Answer) -> str | None:
        if answer.cause is None or "FI" not in answer.cause.flags:
            return PASSED if answer.cause is not None else "no line in the proxy's log"
        right = answer.status == self.status if self.code is None else answer.version == str(self.code)
        return ABORTED if right else f"aborted with {self._said(answer)}"

    def _said(self, answer: Answer) -> str:
        if answer.version:
            return f"{answer.status} and gRPC status {answer.version}"
        return f"{answer.status}{self._no_grpc}"

    @property
    def _no_grpc(self) -> str:
        """Why an answer may lack a gRPC status: Envoy gives it to requests of gRPC only (source/common/http/utility.cc, sendLocalReply)."""
        return (
            "" if self.code is None else " and no gRPC status (it needs a request with content-type: application/grpc)"
        )

    def strict(self) -> Aborted:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> list[Control]:
        """Faults with another share, and with another status."""
        found = self._other_shares("abort", self._field(self.status, self.code))
        if self.percent:
            other = percentage(self.percent, self._field(self._another, None))
            edit = Edit(RULE, Put(("fault", "abort"), other))
            found.append(Control(f"aborted with {self._another} instead of {self._what}", (edit,)))
        return found

    @property
    def _another(self) -> int:
        return 555 if self.status != 555 else 556

    @staticmethod
    def _field(status: int | None, code: int | None) -> Mapping[str, Any]:
        return {"httpStatus": status} if code is None else {"grpcStatus": grpc_name(code)}

    @property
    def _what(self) -> str:
        return str(self.status) if self.code is None else f"gRPC {grpc_name(self.code)}"

    @property
    def configured(self) -> str:
        """`10 % aborted 503`."""
        return f"{self.percent:g} % aborted {self._what}"

    def __str__(self) -> str:
        return f"{self.configured} (within {self.margin:g} points)"


@dataclass(frozen=True, kw_only=True)
class Delayed(_Faulted):
    """A share of the requests is delayed by a time by an injected fault, and no others."""

    span: Span

    arm = DELAYED

    def reading(self, version: Reading) -> Reading:
        """The version; nothing is read from the answer."""
        return version

    def begin(self) -> Trial:
        """A new trial; ValueError for senseless figures."""
        shares = self._shares()
        if not self.percent:
            return shares
        return AllTrial([shares, QuickestTrial(self.span, _delay, self.percent / 100)])

    def _sort(self, answer: Answer) -> str | None:
        if answer.cause is None:
            return "no line in the proxy's log"
        return DELAYED if "DI" in answer.cause.flags else PASSED

    def strict(self) -> Delayed:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> list[Control]:
        """Faults with another share, and with a delay that is longer or shorter by the tolerance."""
        found = self._other_shares("delay", {"fixedDelay": duration(self.span.seconds)})
        shorter = max(self.span.seconds - self.span.tolerance, 0.001)
        for seconds in (shorter, self.span.seconds + self.span.tolerance) if self.percent else ():
            delay = percentage(self.percent, {"fixedDelay": duration(seconds)})
            name = f"delayed by {duration(seconds)} instead of {duration(self.span.seconds)}"
            found.append(Control(name, (Edit(RULE, Put(("fault", "delay"), delay)),)))
        return found

    @property
    def configured(self) -> str:
        """`10 % delayed by 300ms`."""
        return f"{self.percent:g} % delayed by {duration(self.span.seconds)}"

    def __str__(self) -> str:
        return f"{self.percent:g} % delayed by {self.span} (within {self.margin:g} points)"


def _delay(answer: Answer) -> float | None:
    """How long a delayed request was held."""
    return answer.cause.held if answer.cause is not None and "DI" in answer.cause.flags else None


def aborted(
    status: int | None = None,
    *,
    grpc: int | str | None = None,
    percent: float = 100,
    within: float = 5,
    zero_within: float = 1,
    alpha: float = 1e-6,
    beta: float = 1e-3,
) -> Aborted:
    """A share of the requests is aborted by an injected fault: `aborted(500)`, `aborted(503, percent=10)`, `aborted(grpc="UNAVAILABLE")`.

    `percent=0` says that none is, whatever else happens to them. `within`, and `zero_within` for none or all, are percentage points;
    `alpha` bounds the probability of VIOLATED for a right mesh, `beta` that of HOLDS for one that is off by the margin or more.
    """
    if (status is None) == (grpc is None):
        raise ValueError("say with what requests are aborted: an HTTP status, or grpc= a status of gRPC, and not both")
    if status is not None and not 200 <= status <= 599:
        raise ValueError(f"the status of an abort is from 200 to 599, not {status!r}")
    code = None if grpc is None else grpc_code(grpc)
    made = Aborted(
        percent=percent, within=within, zero_within=zero_within, alpha=alpha, beta=beta, status=status, code=code
    )
    _ = made.parameters  # senseless figures are said where they are written
    return made


def delayed(
    seconds: float,
    *,
    percent: float = 100,
    tolerance: float | None = None,
    within: float = 5,
    zero_within: float = 1,
    alpha: float = 1e-6,
    beta: float = 1e-3,
) -> Delayed:
    """A share of the requests is delayed by an injected fault: `delayed(0.5)`, `delayed(2, percent=10)`.

    `tolerance` is the smallest deviation that matters (seconds; by default a fifth of it, at least 100 ms, at most its half): of twenty
    delays the quickest must be below `seconds + tolerance / 2`, and the median not below `seconds - tolerance / 2`. A slow machine does
    not matter, unless it slows each of them down. The other figures are those of `aborted`. Delayed requests keep their connections busy:
    give `expect` more `connections`.
    """
    span = Span("delay", seconds, tolerance_of(seconds) if tolerance is None else tolerance)
    made = Delayed(percent=percent, within=within, zero_within=zero_within, alpha=alpha, beta=beta, span=span)
    _ = made.parameters
    return made
