"""`meshtest analyze`: what is accepted, and does not do what its author meant."""

from __future__ import annotations

import argparse
import json
import sys

from meshtest.commands.given import Commands, add_files


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser("analyze", help="what is wrong or dubious in resources, without traffic")
    add_files(parser)
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the form of the output")
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
    if options.output == "json":
        json.dump([each.as_json() for each in found], sys.stdout, indent=1)
        print()
    else:
        for each in found:
            print(each)
    return int(any(each.severity != INFO for each in found))
