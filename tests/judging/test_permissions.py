"""Permissions as a matrix: which cells are wrong, with which certainty, and what is said of them."""

from __future__ import annotations

import pytest

from meshtest.judging.permissions import Asked, Permissions
from meshtest.judging.verdict import Verdict

DENIED = "rbac_access_denied_matched_policy[ns[default]-policy[nobody]-rule[0]]"
IN, OUT = ("client", "GET /a"), ("client", "GET /admin")
MATRIX = Permissions({IN: True, OUT: False})
OK, NO = Asked(200), Asked(403, DENIED)


def test_all_as_stated_holds() -> None:
    """Ten right answers a cell show that it does not err with half of its requests, but for a chance of 1e-3."""
    assert (MATRIX.requests, MATRIX.strict().requests, Permissions({IN: True}, 20).requests) == (10, 20, 31)
    judgement = MATRIX.judge({IN: [OK] * 10, OUT: [NO] * 10})
    assert (judgement.verdict, judgement.requests, judgement.observed) == (Verdict.HOLDS, 20, "2 cells as stated")
    assert MATRIX.judge({IN: [OK] * 10, OUT: [NO] * 9}).verdict is Verdict.UNDECIDED
    assert MATRIX.judge({IN: [OK] * 10}).verdict is Verdict.UNDECIDED
    assert MATRIX.forecast().cap == 20


@pytest.mark.parametrize(
    ("came", "right"),
    [(OK, True), (Asked(404), True), (Asked(403), True), (Asked(503), True), (NO, False)],
)
def test_allowed(came: Asked, right: bool) -> None:
    """Let through is whatever no policy turns away: also the workload's own errors, and its own 403."""
    verdict = MATRIX.judge({IN: [OK] * 9 + [came], OUT: [NO] * 10}).verdict
    assert verdict is (Verdict.HOLDS if right else Verdict.VIOLATED)


@pytest.mark.parametrize("came", [OK, Asked(403), Asked(404), Asked(503, DENIED)])
def test_denied(came: Asked) -> None:
    """Turned away is 403 by a policy, and nothing else: not another error, and not another 403."""
    assert MATRIX.judge({IN: [OK] * 10, OUT: [NO] * 9 + [came]}).verdict is Verdict.VIOLATED


def test_wrong_cells_are_listed() -> None:
    """Each wrong cell is named with what came, and marked in the table; one is enough, though others have not been asked."""
    both = MATRIX.judge({IN: [NO], OUT: [OK]})
    assert (
        both.reason == f"client: GET /a is to be allowed, got 403 {DENIED}; client: GET /admin is to be denied, got 200"
    )
    assert both.observed == "2 of 2 cells wrong"
    one = MATRIX.judge({IN: [NO]})
    assert one.verdict is Verdict.VIOLATED
    assert one.evidence["table"] == [
        ["who asks what", "stated", "came", ""],
        ["client: GET /a", "allowed", f"403 {DENIED}", "WRONG"],
        ["client: GET /admin", "denied", "not asked", ""],
    ]


def test_what_is_said() -> None:
    """It completes a sentence, and states its rates."""
    assert str(MATRIX) == "let through or turned away as the table says (1 of 2 cells allowed)"
    assert (MATRIX.error_rates, MATRIX.strict().error_rates) == ("0 / 0.001", "0 / 1e-06")
