"""What became of the mutants: gathered from the reports of all tests, told as a table and in `reports/mutants.json`."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from meshtest.mutation.case import ORIGINAL
from meshtest.mutation.note import BEGUN, EQUIVALENT, EXCUSED, KILLED, REFUSED, UNNOTICED, Note, note_of

SURVIVED, UNFINISHED, BROKEN = "survived", "unfinished", "broken"
COLUMNS = (KILLED, EQUIVALENT, EXCUSED, REFUSED, SURVIVED, UNFINISHED, BROKEN)
FILE = Path("reports", "mutants.json")
_LETTERS = {KILLED: "K", UNNOTICED: "u", EQUIVALENT: "="}


@dataclass
class Fate:
    """What the tests of a module said of one mutant, by the test."""

    module: Module
    first: Note
    notes: dict[str, Note] = field(default_factory=dict)
    broken: bool = False

    @property
    def word(self) -> str:
        """One test that notices it kills; it survived when all have told, and none of them did or says why not."""
        told = {each.found for each in self.notes.values()}
        if self.broken or self.module.red:
            return BROKEN
        if KILLED in told:
            return KILLED
        if len(self.notes) < self.first.tests or told == {BEGUN}:
            return UNFINISHED
        return next(
            (word for word in (EXCUSED, REFUSED, EQUIVALENT) if word in told and UNNOTICED not in told), SURVIVED
        )

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        telling = next((each for each in self.notes.values() if each.found == self.word), self.first)
        test = next((test for test, each in self.notes.items() if each is telling), "")
        return {
            "mutant": self.first.mutant,
            "verdict": self.word,
            "change": self.first.sentence,
            "where": self.first.where,
            **({"cause": telling.cause} if telling.cause else {}),
            **({"test": test} if self.word == KILLED else {}),
        }


@dataclass
class Module:
    """The mutants of the manifest beside a module, and the time that their tests took."""

    fates: dict[str, Fate] = field(default_factory=dict)
    seconds: float = 0.0
    red: bool = False

    @property
    def all(self) -> list[Fate]:
        """In the order of the manifest."""
        return sorted(self.fates.values(), key=lambda each: each.first.place)

    def count(self, word: str) -> int:
        """How many mutants met this fate."""
        return sum(each.word == word for each in self.fates.values())

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        counts = {word: self.count(word) for word in COLUMNS}
        mutants = [each.as_json() for each in self.all]
        return {
            "unmutated": "red" if self.red else "green",
            **counts,
            "seconds": round(self.seconds, 2),
            "mutants": mutants,
        }


class Mutants:
    """Hooks of the process that writes the reports."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[str, Module] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        """Gather; the last test that lets a mutant live fails, for all who count failures."""
        note = note_of(report.user_properties)
        if note is not None:
            module = self._modules.setdefault(note.module, Module())
            module.seconds += report.duration
            if note.mutant == ORIGINAL:
                module.red = module.red or report.failed
            else:
                self._take(module.fates.setdefault(note.mutant, Fate(module, note)), note, report)
        return (yield)

    def _take(self, fate: Fate, note: Note, report: pytest.TestReport) -> None:
        known = len(fate.notes)
        fate.broken = fate.broken or report.failed
        if note.found != BEGUN or report.when == "call" or not report.passed:
            fate.notes[report.nodeid] = note
        if len(fate.notes) > known and fate.word == SURVIVED:
            report.outcome = "failed"
            report.longrepr = f"SURVIVED: {_line(fate)}\nno test of {note.module} notices it"

    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """Words for runs with mutants."""
        if not isinstance(report, pytest.TestReport) or report.when != "call" or not report.passed:
            return None
        note = note_of(report.user_properties)
        if note is None or note.mutant == ORIGINAL or note.found not in _LETTERS:
            return None
        return note.found, _LETTERS[note.found], note.found.upper()

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        if self._modules:
            file = self._root / FILE
            file.parent.mkdir(exist_ok=True)
            found = {name: module.as_json() for name, module in sorted(self._modules.items())}
            file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table, and each survivor with what was changed and where."""
        if not self._modules:
            return
        terminalreporter.ensure_newline()
        terminalreporter.section("mutants", sep="=")
        for line in self._lines():
            terminalreporter.write_line(line)

    def _lines(self) -> list[str]:
        modules = sorted(self._modules.items())
        rows = [_row(name, module) for name, module in modules]
        fates = [each for _, module in modules for each in module.all]
        red = [
            f"{name}: tests are red without any mutant, so that nothing is proven" for name, each in modules if each.red
        ]
        return [
            *_aligned([("module", "mutants", *COLUMNS, "seconds"), *rows]),
            *red,
            *(f"SURVIVED {_line(each)}" for each in fates if each.word == SURVIVED),
            *(f"excused {_line(each)}; {_reasons(each)}" for each in fates if each.word == EXCUSED),
            *(f"refused {_line(each)}" for each in fates if each.word == REFUSED),
        ]


def _row(name: str, module: Module) -> tuple[str, ...]:
    counts = (str(module.count(word)) for word in COLUMNS)
    return (name, str(len(module.fates)), *counts, f"{module.seconds:.1f}")


def _aligned(table: list[tuple[str, ...]]) -> list[str]:
    """Columns of numbers that nobody has are left out, but for those one looks for."""
    kept = [
        at
        for at, head in enumerate(table[0])
        if head not in (EXCUSED, REFUSED, UNFINISHED, BROKEN) or any(row[at] != "0" for row in table[1:])
    ]
    widths = {at: max(len(row[at]) for row in table) for at in kept}
    return ["  ".join(row[at].rjust(widths[at]) if at else row[0].ljust(widths[0]) for at in kept) for row in table]


def _line(fate: Fate) -> str:
    return f"{fate.first.mutant}: {fate.first.sentence} ({fate.first.where})"


def _reasons(fate: Fate) -> str:
    return "; ".join(dict.fromkeys(each.cause for each in fate.notes.values() if each.cause))
