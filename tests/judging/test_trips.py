"""Circuit breakers, judged by what became of requests that came one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from meshtest.judging.traffic_policy import policy_edit
from meshtest.judging.trips import Load, Trips, trips
from meshtest.judging.verdict import Verdict

OK, OVERFLOW = "200 - via_upstream", "503 UO upstream_reset_before_response_started{overflow}"
HOLDS, VIOLATED, UNDECIDED = Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED


def load(came: str, ended: Sequence[str] = ()) -> Load:
    """Requests by their first letters; what is refused overflows, unless something else is said."""
    names = {"h": "held", "w": "waits", "r": "refused", "l": "lost"}
    return Load([names[each] for each in came], ended or [OVERFLOW if each == "r" else OK for each in came])


@pytest.mark.parametrize(
    ("expectation", "came", "wanted"),
    [
        (trips(connections=2, pending=1), load("hhwrr"), HOLDS),
        (trips(connections=2, pending=1), load("hhw"), HOLDS),
        (trips(connections=2, pending=1), load("hwrrr"), VIOLATED),
        (trips(connections=2, pending=1), load("hhhwr"), VIOLATED),
        (trips(connections=2, pending=1), load("hhrrr"), VIOLATED),
        (trips(connections=2, pending=1), load("hhwww"), VIOLATED),
        (trips(connections=1, pending=1), load("hwl"), UNDECIDED),
        (trips(connections=2), load("hhww"), HOLDS),
        (trips(connections=2), load("hhwr"), VIOLATED),
        (trips(requests=3), load("hhhrr"), HOLDS),
        (trips(requests=3), load("hhhhr"), VIOLATED),
        (trips(requests=3), load("hhhwr"), VIOLATED),
        (trips(retries=1), load("hrr", [OK, "503 UO via_upstream", "503 UO via_upstream"]), HOLDS),
        (trips(retries=1), load("hrr", [OK, "503 - via_upstream", "503 UO via_upstream"]), VIOLATED),
        (trips(requests=1), load("hr", ["503 UC upstream_reset", OVERFLOW]), VIOLATED),
        (trips(requests=1), load("hr", [OK, "timeout after 20 s"]), VIOLATED),
    ],
)
def test_exact(expectation: Trips, came: Load, wanted: Verdict) -> None:
    """One request that fares otherwise than it should decides."""
    assert expectation.judge([came]).verdict is wanted


def test_recovery() -> None:
    """What was right at first must be right again when load has fallen."""
    judgement = trips(requests=1).judge([load("h"), load("hrr"), load("r")])
    assert judgement.verdict is VIOLATED
    assert judgement.reason == f"request 1 of 1 at once is refused ({OVERFLOW}) where it should be held"


def test_controls() -> None:
    """Each limit is off by one; Istio takes 0 as none."""
    found = trips(connections=2, pending=1).controls()
    assert [each.name for each in found] == [
        "1 connections instead of 2",
        "3 connections instead of 2",
        "no limit of pending instead of 1",
        "2 pending instead of 1",
    ]
    changed = found[1].edits[0].change({"host": "a", "trafficPolicy": {"connectionPool": {"http": {"maxRetries": 1}}}})
    pool = {"http": {"maxRetries": 1}, "tcp": {"maxConnections": 3}}
    assert changed == {"host": "a", "trafficPolicy": {"connectionPool": pool}}


def test_policies_are_changed_where_they_stand() -> None:
    """Of subsets and ports too, and that of the host only if it has the field, or nothing has."""
    change = policy_edit(("connectionPool", "tcp", "maxConnections"), 3).change
    pool = {"connectionPool": {"tcp": {"maxConnections": 1}}}
    wanted = {"connectionPool": {"tcp": {"maxConnections": 3}}}
    given = {"trafficPolicy": {"tls": {}}, "subsets": [{"name": "a"}, {"name": "b", "trafficPolicy": pool}]}
    assert change(given) == {
        "trafficPolicy": {"tls": {}},
        "subsets": [{"name": "a"}, {"name": "b", "trafficPolicy": wanted}],
    }
    port = {"trafficPolicy": {"portLevelSettings": [{"port": {"number": 1}, **pool}]}}
    assert change(port) == {"trafficPolicy": {"portLevelSettings": [{"port": {"number": 1}, **wanted}]}}
    assert change({"host": "a"}) == {"host": "a", "trafficPolicy": wanted}


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for make, words in [
        (lambda: trips(), "at least one limit"),
        (lambda: trips(connections=0), "from 1 on"),
        (lambda: trips(pending=1), "needs connections="),
        (lambda: trips(retries=1, requests=1), "by itself"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()
