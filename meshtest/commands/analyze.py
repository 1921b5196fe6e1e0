"""`meshtest analyze`: what is accepted, and does not do what its author meant."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshtest.commands.given import Commands, add_files

if TYPE_CHECKING:
    from meshtest.analysis.finding import Finding


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser("analyze", help="what is wrong or dubious in resources, without traffic")
    add_files(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=["text", "json", "sarif", "gitlab", "github"],
        default="text",
        help="the form of the output: sarif for code scanning, gitlab for its code quality report, github for annotations in a workflow",
    )
    parser.add_argument(
        "-S",
        "--suppress",
        action="append",
        default=[],
        metavar="CODE[=RESOURCE]",
        help="findings that are not wanted, such as MT0101, or 'MT0101=VirtualService/reviews.default' (may be given several times)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings; the exit status is 1 if one of them is more than a remark."""
    from meshtest.analysis.finding import INFO
    from meshtest.analysis.reading import findings
    from meshtest.analysis.suppression import suppression, wanted

    try:
        suppressed = [suppression(each) for text in options.suppress for each in text.split(",")]
    except ValueError as error:
        print(f"meshtest analyze: --suppress: {error}", file=sys.stderr)
        return 2
    found = wanted(findings(options.files, options.topology), suppressed)
    print(_written(found, options.output), end="")
    return int(any(each.severity != INFO for each in found))


def _written(found: Sequence[Finding], form: str) -> str:
    if form in ("text", "github"):
        return "".join(f"{each if form == 'text' else _annotation(each)}\n" for each in found)
    return json.dumps(_data(found, form), indent=1) + "\n"


def _data(found: Sequence[Finding], form: str) -> object:
    from meshtest.report.gitlab import code_quality
    from meshtest.report.sarif import sarif

    if form == "sarif":
        from importlib.metadata import version

        return sarif(found, version("meshtest"))
    return code_quality(found) if form == "gitlab" else [each.as_json() for each in found]


def _annotation(finding: Finding) -> str:
    from meshtest.analysis.finding import INFO
    from meshtest.report.github import annotation

    level = "notice" if finding.severity == INFO else finding.severity
    return annotation(
        level, finding.resource.file, finding.line, f"{finding.code.name} {finding.code.title}", finding.message
    )
