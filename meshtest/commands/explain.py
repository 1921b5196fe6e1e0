"""`meshtest explain`: the way of a request, without sending it."""

from __future__ import annotations

import argparse
import json
import sys

from meshtest.commands.given import Commands, add_files, read


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser(
        "explain",
        help="which rules a request takes and why, without sending it",
        description="Which listener, virtual host, rule (file and line) and cluster a request takes, "
        "why the rules before it do not match, and what is applied on the way.",
        epilog="Exit status: 0 if the request ends at an endpoint or is answered by a rule (a redirect, a fault, ...); "
        "1 if nothing takes it (no listener, no route, no endpoint, not allowed, ...) or a resource is wrong; "
        "2 for wrong usage; 3 if it cannot be told without sending the request, or a field is not implemented.",
    )
    parser.add_argument(
        "url", metavar="URL", help="http://, https://, tcp:// or tls:// and host, or a path for the ingress gateway"
    )
    add_files(parser)
    parser.add_argument("-X", "--request", default="GET", metavar="METHOD", help="the method (GET)")
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header (may be given several times)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="NAME",
        help="the workload that calls (else it comes from outside); a gateway: enter there",
    )
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the form of the output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print which way the request goes."""
    from meshtest.explain.call import call, header
    from meshtest.explain.journey import explain
    from meshtest.explain.text import as_json, lines
    from meshtest.resources.schema import nearest
    from meshtest.translate.snapshot import Proxy, Snapshot

    try:
        asked = call(options.url, options.request, [header(each) for each in options.header])
        topology, resources = read(options.files, options.topology, gateways=True)
        source = None
        if options.source is not None:
            if options.source not in topology.names:
                known = ", ".join(topology.names)
                near = nearest(options.source, topology.names)
                raise ValueError(f"there is no workload {options.source!r}{near}; there are {known}")
            source = Proxy(topology.names[options.source][0])
        found = explain(Snapshot(topology, resources), asked, source)
    except ValueError as error:
        print(f"meshtest explain: {error}", file=sys.stderr)
        return 2
    if options.output == "json":
        json.dump(as_json(found), sys.stdout, indent=1)
        print()
    else:
        print("\n".join(lines(found)))
    return {True: 0, False: 1, None: 3}[found.taken]
