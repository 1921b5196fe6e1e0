"""`meshtest report`: the page of a run, made anew from its record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from meshtest.commands.given import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser("report", help="the page of a run (index.html), made anew from its record")
    parser.add_argument(
        "record", nargs="?", type=Path, default=Path("reports/last.json"), help="(default: reports/last.json)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the page (default: the record's)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page and say where it is; the exit status is 1 if there is no record, or the page cannot be written."""
    from meshtest.report.html.page import page
    from meshtest.report.record import read
    from meshtest.report.writing import write

    folder = options.output or options.record.parent
    try:
        text = page(read(options.record))
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "index.html", text)
    except ValueError as error:
        print(f"meshtest report: {error}; records are written by pytest runs with meshtest", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"meshtest report: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(folder / "index.html")
    return 0
