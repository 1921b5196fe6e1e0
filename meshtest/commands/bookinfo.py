"""`meshtest bookinfo`: manifests of stand-ins for a cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from meshtest.commands.given import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser(
        "bookinfo", help="manifests of Bookinfo's stand-ins for a cluster: meshtest bookinfo | kubectl apply -f -"
    )
    parser.add_argument(
        "--topology",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="Kubernetes manifests of what is to be stood in for (may be given several times; without it, Bookinfo)",
    )
    parser.add_argument("--image", help="the stand-ins' image (localhost/meshtest-bookinfo:1)")
    parser.add_argument("--pull-policy", choices=["Always", "IfNotPresent", "Never"], help="when to pull it")
    parser.add_argument("--namespace", default="", metavar="N", help="the namespace of what names none")
    parser.add_argument(
        "--localities",
        action="store_true",
        help="say by labels of the pods where they are, as the nodes of the manifests do, which the cluster need not have",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print them."""
    import yaml

    from meshtest.meshes.kubernetes.manifests import IMAGE, Manifests, Wishes
    from meshtest.resources.manifest import read_files
    from meshtest.topology.default import bookinfo

    wishes = Wishes(options.image or IMAGE, options.pull_policy or "", options.namespace, options.localities)
    manifests = Manifests(read_files(options.topology) if options.topology else bookinfo(), wishes)
    for each in manifests.left_out:
        print(f"{each.where()}: left out: {each} is a gateway, or its image is no stand-in's", file=sys.stderr)
    if not (objects := manifests.objects()):
        print("nothing here can be stood in for", file=sys.stderr)
        return 1
    yaml.safe_dump_all(objects, sys.stdout, sort_keys=False, width=1000)
    return 0
