"""Writes docs/behaviour.md: what of Istio the suites prove, how, and what a run of them measured.

    pytest suites --junit-xml=reports/junit.xml
    python docs/behaviour.py reports/junit.xml

Figures of what is not in the report stay as they stand in the page.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "behaviour.md"
HEAD = """# What the suites prove

Each row is a test in `suites/`, beside its manifest: what Istio promises, the expectation that tests it, and what a run on the
local mesh measured. VIOLATED stands where a test shows that something is not so. Every module has controls too: meshes that are wrong
by the stated margin, each of which must be called VIOLATED. `tox -e behaviour` writes this page; a test compares it with the suites.
"""
ROW = re.compile(r"^\| (?P<promise>.*?) \| (?P<tested>.*?) \| (?P<measured>.*?) \|$")
BY_ASSERTIONS = "assertions"


@dataclass(frozen=True)
class Case:
    """A test: its module (`suites/tls/test_termination.py`), its name, and the sentence that says what it proves."""

    module: str
    name: str
    promise: str


@dataclass(frozen=True)
class Module:
    """A module of tests, and the sentence that says what it is about."""

    path: str
    about: str
    cases: Sequence[Case]

    @property
    def theme(self) -> str:
        """The folder."""
        return Path(self.path).parent.name


def modules() -> Iterator[Module]:
    """All modules in suites/, by theme."""
    for file in sorted((ROOT / "suites").glob("*/test_*.py")):
        tree, path = ast.parse(file.read_text()), str(file.relative_to(ROOT))
        tests = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
        cases = [Case(path, each.name, _sentence(each)) for each in tests]
        yield Module(path, _sentence(tree), cases)


def _sentence(node: ast.Module | ast.FunctionDef) -> str:
    return " ".join((ast.get_docstring(node) or "").split())


def measured(report: Path) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """The findings of a run by module and test, parameters left out."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        module = case.get("classname", "").replace(".", "/") + ".py"
        key = (module, case.get("name", "").partition("[")[0])
        for each in case.iter("property"):
            if each.get("name", "").endswith(".finding"):
                found.setdefault(key, []).append(json.loads(each.get("value", "{}")))
    return found


def row(case: Case, findings: Sequence[Mapping[str, Any]]) -> str:
    """A test as a row: what it promises, how that is tested, and what came of it."""
    expectations = list(dict.fromkeys(_cell(each["expectation"]) for each in findings))
    return f"| {_cell(case.promise)} | {'; '.join(expectations) or BY_ASSERTIONS} | {_outcomes(findings) or '-'} |"


def _outcomes(findings: Sequence[Mapping[str, Any]]) -> str:
    """What was observed; of wrong meshes how many were noticed."""
    right = [f"{each['verdict']}: {_cell(each['observed'])}" for each in findings if not each["control"]]
    wrong = [each["verdict"] == "VIOLATED" for each in findings if each["control"]]
    noticed = [f"{sum(wrong)} of {len(wrong)} wrong meshes noticed"] if wrong else []
    return "; ".join([*right, *noticed])


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def kept() -> dict[tuple[str, str], str]:
    """The rows of the page as it stands, by module and promise."""
    found, module = {}, ""
    for line in PAGE.read_text().splitlines() if PAGE.exists() else ():
        if line.startswith("## "):
            module = line.partition("](../")[2].partition(")")[0]
        elif (cells := ROW.match(line)) and cells["promise"] not in ("promise", "---"):
            found[module, cells["promise"]] = line
    return found


def page(report: Path | None) -> str:
    """The page, with the figures of a run; for what did not run, those that it has."""
    findings, before = measured(report) if report else {}, kept()
    out = [HEAD]
    for each in modules():
        out.append(f"## {each.theme}: [{Path(each.path).stem.removeprefix('test_')}](../{each.path})\n")
        out.append(f"{each.about} ([manifest](../{Path(each.path).with_suffix('.yaml')}))\n")
        out.append("| promise | tested by | measured |\n|---|---|---|")
        for case in each.cases:
            found = findings.get((case.module, case.name), ())
            out.append(row(case, found) if found else before.get((each.path, _cell(case.promise)), row(case, ())))
        out.append("")
    return "\n".join(out)


def main(arguments: Sequence[str]) -> None:
    """Write the page."""
    PAGE.write_text(page(Path(arguments[0]) if arguments else None))


if __name__ == "__main__":
    main(sys.argv[1:])
