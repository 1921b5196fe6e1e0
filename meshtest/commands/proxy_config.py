"""`meshtest proxy-config`: what istiod would send to the proxies."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from meshtest.commands.given import Commands, add_files, read

if TYPE_CHECKING:
    from meshtest.translate.snapshot import Json


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser(
        "proxy-config", help="the Envoy configuration that these resources make, of every proxy"
    )
    add_files(parser)
    parser.add_argument("--proxy", metavar="NAME", help="only the proxy of this workload")
    parser.add_argument("-o", "--output", choices=["json"], default="json", help="the form of the output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from meshtest.translate.proxy_config import translate
    from meshtest.translate.snapshot import Proxy, Snapshot

    topology, resources = read(options.files, options.topology, gateways=not options.topology)
    snapshot = Snapshot(topology, resources)
    proxies = {name: Proxy(instances[0]) for name, instances in topology.names.items()}
    if options.proxy is not None:
        proxies = {name: proxy for name, proxy in proxies.items() if name == options.proxy}
    if not proxies:
        known = ", ".join(topology.names) or "none"
        print(
            f"there is no proxy {options.proxy!r}; there are: {known}"
            if options.proxy
            else "the topology has no workload",
            file=sys.stderr,
        )
        return 1
    before = Snapshot(topology, ())
    out: dict[str, Json] = {
        name: translate(snapshot, proxy).as_json(translate(before, proxy)) for name, proxy in proxies.items()
    }
    json.dump(out, sys.stdout, indent=1)
    print()
    return 0
