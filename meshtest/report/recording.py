"""Gathers the record of a run from pytest's reports, in the process that has them all, and writes it however the run ends."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from meshtest.redaction import redacted, redacted_value, redacted_yaml
from meshtest.report.exports import Exports
from meshtest.report.note import noted, uses_mesh
from meshtest.report.record import (
    BROKEN,
    FAILED,
    PASSED,
    SKIPPED,
    UNDECIDED,
    VIOLATED,
    Missing,
    Policy,
    Record,
    Run,
    Test,
)
from meshtest.report.reproduction import command, versions
from meshtest.report.writing import write

FILE = "last.json"
_LONGEST = 20_000  # characters of what a test printed, or of its failure
_ENDED = {0: "passed", 1: "failed", 2: "interrupted", 3: "internal error", 4: "usage error", 5: "no tests"}
_ENDED |= {10: "undecided", 11: "broken"}
_CRASHED = "the process of pytest-xdist in which it ran has crashed"


@dataclass
class _Seen:
    """What the reports have said of a test so far."""

    reports: list[Any] = field(default_factory=list)
    note: dict[str, Any] = field(default_factory=dict)

    def take(self, report: Any) -> None:
        """One more; a setup begins anew, for a test may run several times."""
        if report.when == "setup":
            self.reports.clear()
        self.reports.append(report)
        self.note = {**self.note, **(noted(report) or {})}

    @property
    def properties(self) -> list[tuple[str, Any]]:
        """Those of the last report that has any: each has those of the ones before it."""
        return max((list(getattr(each, "user_properties", ())) for each in self.reports), key=len, default=[])


class Recording:
    """Hooks of the controlling process: `folder` is where the record and the page go."""

    def __init__(self, config: pytest.Config, folder: Path, exports: Exports) -> None:
        self._config, self._folder, self._exports = config, folder, exports
        self._began, self._clock = datetime.now().astimezone(), time.monotonic()
        self._seen: dict[str, _Seen] = {}
        self._collected: dict[str, bool | None] = {}  # whether each test has a mesh; None if that is not known
        self._uncollected: list[Missing] = []
        self._told: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests there are."""
        self._collected |= {item.nodeid: uses_mesh(item) for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """Note which tests there are, where others collect them."""
        self._collected |= dict.fromkeys(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note which modules could not be read."""
        if report.failed:
            said = [line for line in _text(report).splitlines() if line.strip()] or [""]
            self._uncollected.append(
                Missing(redacted(report.nodeid), redacted(f"it could not be collected: {said[-1].strip()}"))
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather."""
        self._seen.setdefault(report.nodeid, _Seen()).take(report)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Write, when the exit status is known and the summary is not yet written."""
        try:
            return (yield)
        finally:
            self._write(int(session.exitstatus))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where it is."""
        for line in self._told:
            terminalreporter.ensure_newline()
            terminalreporter.write_line(line)

    def _write(self, status: int) -> None:
        record = self.record(status)
        if not record.tests and not any(self._collected.values()):
            return
        from meshtest.report.html.page import page

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write(self._folder / FILE, json.dumps(record.as_json(), separators=(",", ":")))
            self._told = self._exports.write(record)
            write(self._folder / "index.html", page(record))
        except OSError as error:
            self._told.append(f"mesh report: it could not be written: {error} (another folder: --mesh-report DIR)")
        except Exception as error:  # a mistake of the page's must not hide what the run has shown
            mistake = f"its page could not be made, which is a mistake of meshtest's: {error!r}"
            self._told.append(f"mesh report: {mistake}; {FILE} is in {self._folder}")
        else:
            self._told.append(f"mesh report: {_from(self._folder / 'index.html', Path.cwd())}")

    def record(self, status: int) -> Record:
        """The record as far as the run got."""
        tests, policies = [], dict[Policy, int]()
        interrupted = self._interrupted()
        for nodeid in dict.fromkeys([*self._collected, *self._seen]):
            seen = self._seen.get(nodeid, _Seen())
            if seen.note or (_crashed(seen) and self._collected.get(nodeid) is not False):
                tests.append(self._test(nodeid, seen, interrupted.get(nodeid, []), policies))
        run = self._run(status, tuple(self._missing()))
        return Record(run, tuple(tests), tuple(policies))

    def _run(self, status: int, missing: tuple[Missing, ...]) -> Run:
        seconds = round(time.monotonic() - self._clock, 3)
        kind = str(self._config.getoption("mesh") or self._config.getini("mesh"))
        given = redacted(shlex.join(["pytest", *map(str, self._config.invocation_params.args)]))
        began, ended = self._began.isoformat(timespec="seconds"), _ENDED.get(status, f"exit status {status}")
        return Run(
            kind, {**self._of_meshes, **versions()}, given, began, seconds, status, ended, missing, len(self._collected)
        )

    @property
    def _of_meshes(self) -> dict[str, str]:
        """The versions that meshes have told."""
        found = [each.note.get("versions", {}) for each in self._seen.values()]
        return {name: str(value) for several in found for name, value in several.items()}

    def _missing(self) -> Iterable[Missing]:
        """Tests that were to run and have no end: those of which nothing is known, and those that were cut off."""
        yield from self._uncollected
        for nodeid, has_mesh in self._collected.items():
            seen = self._seen.get(nodeid)
            if seen is not None and _crashed(seen):
                yield Missing(redacted(nodeid), _CRASHED)
            elif has_mesh is not False and (seen is None or not any(each.when == "teardown" for each in seen.reports)):
                why = "it did not run" if seen is None else "the run was interrupted while it ran"
                yield Missing(redacted(nodeid), why)

    def _interrupted(self) -> dict[str, list[Any]]:
        """What was found in tests that have no report, because the run was interrupted in them."""
        from meshtest.session import findings_of

        found: dict[str, list[Any]] = {}
        for nodeid, finding in findings_of(self._config):
            if not any(each.when == "call" for each in self._seen.get(nodeid, _Seen()).reports):
                found.setdefault(nodeid, []).append(json.loads(finding.as_json()))
        return found

    def _test(self, nodeid: str, seen: _Seen, findings: list[Any], policies: dict[Policy, int]) -> Test:
        outcome, why, failure = _came_of(seen)
        findings = [json.loads(str(value)) for name, value in seen.properties if _is_finding(name)] or findings
        sections = dict(section for each in seen.reports for section in each.sections)
        numbers = [policies.setdefault(each, len(policies)) for each in _policies(seen.note)]
        file, line, _ = next((each.location for each in seen.reports), (nodeid.partition("::")[0], None, ""))
        return Test(
            nodeid=redacted(nodeid),
            file=str(file),
            line=None if line is None else line + 1,
            outcome=outcome,
            why=redacted(why),
            seconds=round(sum(each.duration for each in seen.reports), 3),
            doc=redacted(str(seen.note.get("doc", ""))),
            command=redacted(command(self._config, nodeid)),
            policies=tuple(dict.fromkeys(numbers)),
            findings=tuple(redacted_value(each) for each in findings),
            failure=_clipped(redacted(failure)),
            sections=tuple((str(title), _clipped(redacted(text))) for title, text in sections.items()),
            folder=str(seen.note.get("folder", "")),
        )


def _came_of(seen: _Seen) -> tuple[str, str, str]:
    """The outcome of a test, why in a sentence, and the whole of what pytest says."""
    red = [each for each in seen.reports if each.failed]
    if red:
        text = _text(red[0])
        if _crashed(seen):
            return BROKEN, _CRASHED, text
        kind = str(dict(seen.properties).get("meshtest.outcome", ""))
        return (kind if kind in (VIOLATED, UNDECIDED, BROKEN) else FAILED), _error_of(red[0]), text
    skipped = [each for each in seen.reports if each.skipped]
    if skipped:
        reason = getattr(skipped[0], "wasxfail", None)
        told = skipped[0].longrepr[2] if isinstance(skipped[0].longrepr, tuple | list) else _text(skipped[0])
        return SKIPPED, f"expected to fail: {reason}" if reason is not None else str(told).removeprefix("Skipped: "), ""
    if not any(each.when == "call" for each in seen.reports):
        return BROKEN, "the run was interrupted while it ran", ""
    return PASSED, "", ""


def _error_of(report: Any) -> str:
    """The line that says what was raised."""
    crash = getattr(report.longrepr, "reprcrash", None)
    told = str(crash.message) if crash is not None else _text(report)
    return next((line for line in told.splitlines() if line.strip()), "")


def _text(report: Any) -> str:
    """What went wrong; without the line about the worker, which `longreprtext` has under pytest-xdist."""
    return str(report.longrepr) if report.longrepr is not None else ""


def _crashed(seen: _Seen) -> bool:
    """Whether the process that ran it has ended: pytest-xdist then makes a report of no phase."""
    return any(each.when not in ("setup", "call", "teardown") for each in seen.reports)


def _is_finding(name: str) -> bool:
    return name.startswith("meshtest") and name.endswith(".finding")


def _policies(note: dict[str, Any]) -> Iterable[Policy]:
    for each in note.get("policies", ()):
        text = redacted_yaml(str(each["text"]))
        yield Policy(str(each["kind"]), redacted(str(each["name"])), str(each["file"]), int(each["line"]), text)


def _clipped(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n[... {len(text) - _LONGEST} characters left out ...]\n{text[-half:]}"


def _from(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)
