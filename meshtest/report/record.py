"""The record of a run, `last.json`: what happened, as plain data. Every report is made of it, and of nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
"""The version of the record's form: it changes when an older reader would misunderstand it."""

PASSED, VIOLATED, UNDECIDED, BROKEN, FAILED, SKIPPED = (
    "passed",
    "violated",
    "undecided",
    "broken",
    "failed",
    "skipped",
)
OUTCOMES = (VIOLATED, FAILED, BROKEN, UNDECIDED, PASSED, SKIPPED)
"""What can become of a test; what one must look at first comes first."""

Json = Mapping[str, Any]

_FINDING = frozenset(
    (
        *("verdict", "source", "request", "expectation", "configured", "observed", "requests", "error_rates"),
        *("seconds", "reason", "rule", "statuses", "transport_errors", "control", "evidence"),
    )
)


@dataclass(frozen=True)
class Policy:
    """A resource as its author wrote it: `text` begins on line `line` of `file` (from 1)."""

    kind: str
    name: str
    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Test:
    """What became of one test.

    `why` is the outcome in a sentence (empty for one that passed), `doc` the test's docstring, `command` runs it again, `policies` are
    numbers of the record's policies in the order of their first application, `findings` are `meshtest.evidence.Finding` as mappings,
    `sections` what was printed and logged (title, text), `folder` where the proxies' testimony of a failure is, `seconds` all phases.
    """

    __test__ = False

    nodeid: str
    file: str
    line: int | None
    outcome: str
    why: str = ""
    seconds: float = 0.0
    doc: str = ""
    command: str = ""
    policies: tuple[int, ...] = ()
    findings: tuple[Json, ...] = ()
    failure: str = ""
    sections: tuple[tuple[str, str], ...] = ()
    folder: str = ""

    @property
    def name(self) -> str:
        """The node id without its file."""
        return self.nodeid.partition("::")[2] or self.nodeid

    @property
    def red(self) -> bool:
        """Whether somebody has to look at it."""
        return self.outcome not in (PASSED, SKIPPED)

    @property
    def verdicts(self) -> list[Json]:
        """The findings but for those of controls."""
        return [each for each in self.findings if not each.get("control")]

    @property
    def controls(self) -> list[Json]:
        """The findings in meshes that were made wrong on purpose."""
        return [each for each in self.findings if each.get("control")]


@dataclass(frozen=True)
class Missing:
    """A test that was collected, and of which the run says nothing; and why."""

    nodeid: str
    why: str


@dataclass(frozen=True)
class Run:
    """The run: on which kind of mesh, versions by name, the command, when it began (ISO 8601, with a zone), how it ended.

    `exit` is pytest's status with meshtest's own (10, 11), `ended` the same in a word.
    """

    mesh: str
    versions: Mapping[str, str]
    command: str
    began: str
    seconds: float
    exit: int
    ended: str
    missing: tuple[Missing, ...] = ()
    collected: int = 0


@dataclass(frozen=True)
class Record:
    """A run, its tests in the order of collection, and the policies that they applied, each once."""

    run: Run
    tests: tuple[Test, ...] = ()
    policies: tuple[Policy, ...] = ()
    format: int = field(default=FORMAT)

    @property
    def counts(self) -> dict[str, int]:
        """Tests by outcome, in the order of `OUTCOMES`, without those that nothing became of."""
        found = Counter(each.outcome for each in self.tests)
        return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}

    def as_json(self) -> dict[str, Any]:
        """Plain data, the counts with it for who reads no further."""
        return {"format": self.format, "counts": self.counts, **asdict(self)}

    @staticmethod
    def from_json(given: Any) -> Record:
        """The record of which this is the plain data; ValueError, which says what is wrong, if it is none."""
        if not isinstance(given, Mapping) or "run" not in given:
            raise ValueError("this is no record of a run: it has no `run`")
        if given.get("format") != FORMAT:
            raise ValueError(f"this record is of format {given.get('format')!r}, and this meshtest reads {FORMAT}")
        try:
            run = {**given["run"], "missing": tuple(Missing(**each) for each in given["run"]["missing"])}
            tests = tuple(_test(each) for each in given["tests"])
            policies = tuple(Policy(**each) for each in given["policies"])
            record = Record(Run(**run), tests, policies)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"this record is damaged: {error}") from None
        if wrong := [each.nodeid for each in tests if not set(each.policies) <= set(range(len(policies)))]:
            raise ValueError(f"this record is damaged: {wrong[0]} applies a policy that is not in it")
        return record


def _test(given: Mapping[str, Any]) -> Test:
    if given["outcome"] not in OUTCOMES:
        raise TypeError(f"no test comes out {given['outcome']!r}")
    if damaged := [each for each in given["findings"] if not each.keys() >= _FINDING]:
        raise TypeError(f"a finding of {given['nodeid']} has no {', '.join(sorted(_FINDING - damaged[0].keys()))}")
    lists: dict[str, Sequence[Any]] = {
        "policies": tuple(given["policies"]),
        "findings": tuple(given["findings"]),
        "sections": tuple((title, text) for title, text in given["sections"]),
    }
    return Test(**{**given, **lists})


def read(file: Path) -> Record:
    """The record in a file; ValueError if it is none, OSError if it cannot be read."""
    try:
        return Record.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: this is no JSON: {error}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
