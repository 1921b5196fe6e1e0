"""What every command is given: Istio resources, and what exists in the mesh."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshtest.resources.resource import Resource
    from meshtest.topology.topology import Topology

Commands = argparse._SubParsersAction  # has no public name


def add_files(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """The arguments that say what to read."""
    wanted = "+" if required else "*"
    parser.add_argument("files", nargs=wanted, type=Path, metavar="FILE", help="Istio resources: a file, a folder or -")
    parser.add_argument(
        "--topology",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="Kubernetes manifests of what exists (may be given several times; without it, Bookinfo)",
    )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which cluster, and what of it."""
    parser.add_argument("--kube-context", metavar="C", help="a context of the kubeconfig (the current one)")
    parser.add_argument(
        "--mesh-namespace",
        dest="namespaces",
        action="append",
        default=[],
        metavar="N",
        help="a namespace under test (may be given several times)",
    )


def read(files: Sequence[Path], given: Sequence[Path], gateways: bool) -> tuple[Topology, list[Resource]]:
    """What exists and the Istio resources, checked; `gateways` adds Istio's ingress gateway where there is none."""
    from meshtest.resources.manifest import check, is_istio, read_files
    from meshtest.topology.default import default_topology

    found = read_files(files)
    topology = default_topology(given, [each for each in found if not is_istio(each)], gateways)
    return topology, check([each for each in found if is_istio(each)])
