"""The command `meshtest`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from meshtest.commands import analyze, bookinfo, check, clean, explain, proxy_config, report, role, up
from meshtest.errors import MeshtestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 (something is wrong), 2 (usage) or 3 (something is not implemented)."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except MeshtestError as error:
        return _report(error)
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="meshtest", description="Proves what a service mesh's traffic policies do.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (analyze, bookinfo, check, clean, explain, proxy_config, report, role, up):
        command.add(commands)
    return parser


def _report(error: MeshtestError) -> int:
    from meshtest.resources.problem import WrongResources

    if isinstance(error, WrongResources) and error.unsupported:
        for problem in error.problems:
            print(problem.refusal, file=sys.stderr)
        return 3
    print(error, file=sys.stderr)
    return 1
