"""The table for people."""

from __future__ import annotations

from meshtest.meshes.kubernetes.check.finding import Finding
from meshtest.meshes.kubernetes.check.seen import Unseen, judged, judged_together
from meshtest.meshes.kubernetes.check.table import table


def test_table():
    """One line each in their order, each remedy once with the worst first, and counts."""
    found = [
        Finding("ok", "a b", "fine"),
        Finding("unknown", "c", "not seen", "add a rule"),
        Finding("warning", "d", "odd", "look"),
        Finding("unknown", "e", "not seen", "add a rule"),
        Finding("error", "f", "broken", "mend it"),
    ]
    assert list(table(found)) == [
        "STATUS   SUBJECT  FOUND",
        "ok       a b      fine",
        "unknown  c        not seen",
        "warning  d        odd",
        "unknown  e        not seen",
        "error    f        broken",
        "",
        "WHAT TO DO",
        "  f:",
        "    mend it",
        "  d:",
        "    look",
        "  c, e:",
        "    add a rule",
        "",
        "1 error, 1 warning, 2 unknown, 1 ok",
    ]


def test_nothing_is_found():
    """A table without lines."""
    assert list(table([])) == ["STATUS  SUBJECT  FOUND", "", ""]


def test_what_is_unseen_is_unknown():
    """It is never judged; of several, those that were seen are."""
    unseen = Unseen("forbidden", "add a rule")

    def fine(numbers):
        return [Finding("ok", "n", str(numbers))]

    assert judged(unseen, "n", fine) == [Finding("unknown", "n", "not seen: forbidden", "add a rule")]
    assert [each.message for each in judged_together([1, unseen, 2, unseen], "n", fine)] == [
        "[1, 2]",
        "not seen: forbidden",
    ]
    assert judged_together([], "n", fine) == []
