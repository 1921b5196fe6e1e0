"""What a run leaves for other programs, beside its record and its page: figures for monitoring, and what a job in GitHub shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from meshtest.report.comparison import Comparison, compare
from meshtest.report.record import Record, read
from meshtest.report.writing import write

METRICS = "metrics.txt"
SUMMARY, ACTIONS = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"
"""Environment variables of a step of a workflow: the file of its summary, and that it is one."""


class Exports:
    """Exports of one run, into a folder; `baseline` is the record of another run to compare with, read at once."""

    def __init__(self, folder: Path, baseline: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        self._folder, self._environment = folder, environment
        self._baseline = read(baseline) if baseline is not None else None

    def write(self, record: Record) -> list[str]:
        """Write them; lines for the terminal: what has changed since the baseline, and in a workflow of GitHub annotations."""
        from meshtest.report.markdown import summary
        from meshtest.report.openmetrics import metrics

        comparison = None if self._baseline is None else compare(record, self._baseline)
        write(self._folder / METRICS, metrics(record))
        if file := self._environment.get(SUMMARY):
            with Path(file).open("a", encoding="utf-8") as out:
                out.write(summary(record, comparison))
        return [*_told(comparison), *self._annotations(record)]

    def _annotations(self, record: Record) -> list[str]:
        if self._environment.get(ACTIONS) != "true":
            return []
        from meshtest.report.github import annotated

        return annotated(record)


def _told(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return []
    return [
        f"since the baseline ({comparison.began}):",
        *(f"  {each}" for each in comparison.lines() or ["nothing has changed"]),
    ]
