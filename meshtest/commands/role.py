"""`meshtest role`: the rights that meshtest needs in a cluster."""

from __future__ import annotations

import argparse
import sys

from meshtest.commands.given import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser(
        "role",
        help="the least rights that tests in a cluster need: meshtest role --mesh-namespace N | kubectl apply -f -",
    )
    parser.add_argument(
        "--mesh-namespace",
        dest="namespaces",
        action="append",
        required=True,
        metavar="N",
        help="a namespace under test (may be given several times)",
    )
    parser.add_argument(
        "--istio-namespace",
        dest="planes",
        action="append",
        metavar="N",
        help="that of istiod, and that of the gateway if it is another (istio-system)",
    )
    parser.add_argument(
        "--account",
        metavar="N/NAME",
        help="namespace and name of the service account that is given them (meshtest in the first namespace under test)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print them as manifests."""
    from meshtest.meshes.kubernetes.check.role import manifests

    namespace, slash, name = (options.account or f"{options.namespaces[0]}/meshtest").partition("/")
    if not (namespace and slash and name):
        print(
            f"meshtest role: --account: {options.account!r} is no namespace and name, as in ci/meshtest",
            file=sys.stderr,
        )
        return 2
    sys.stdout.write(manifests(options.namespaces, options.planes or ["istio-system"], (namespace, name)))
    return 0
