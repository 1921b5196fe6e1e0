"""Whose fault a failure is, and the exit status that says so."""

from __future__ import annotations

from typing import Any

import pytest

from meshtest.errors import MeshError, PolicyViolation
from meshtest.judging.verdict import Verdict

VIOLATED, UNDECIDED, BROKEN = "violated", "undecided", "broken"
STATUS = {frozenset({UNDECIDED}): 10, frozenset({BROKEN}): 11}


def outcome(error: BaseException) -> str:
    """What an exception says of a test; empty for anything that is not meshtest's."""
    if isinstance(error, PolicyViolation):
        undecided = error.judgement is not None and error.judgement.verdict is Verdict.UNDECIDED
        return UNDECIDED if undecided else VIOLATED
    return BROKEN if isinstance(error, MeshError) else ""


def exit_status(config: pytest.Config) -> int:
    """10 or 11 if all that is red is of one kind, else pytest's 1."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return int(pytest.ExitCode.TESTS_FAILED)
    red = [*reporter.stats.get("failed", []), *reporter.stats.get("error", [])]
    kinds = frozenset(
        str(dict(getattr(report, "user_properties", [])).get("meshtest.outcome", "other")) for report in red
    )
    return STATUS.get(kinds, int(pytest.ExitCode.TESTS_FAILED))
