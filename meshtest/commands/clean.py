"""`meshtest clean`: takes back what a killed run left in a cluster."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from meshtest.commands.given import Commands

if TYPE_CHECKING:
    from meshtest.meshes.kubernetes.api import Api


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser(
        "clean",
        help="takes back what a killed run left in a cluster",
        description="Finds runs that ended without taking back what they had in force (the next run in the namespace does the same), "
        "deletes what they made and restores what they changed, from what they wrote down in the cluster before.",
        epilog="Exit status: 0 if nothing is left; 1 if a run is still at work, or something could not be taken back; 2 for wrong usage.",
    )
    parser.add_argument("--kube-context", metavar="NAME", help="the context of the kubeconfig (its current one)")
    parser.add_argument(
        "--mesh-namespace",
        action="append",
        required=True,
        metavar="NAME",
        help="a namespace to look in (may be given several times)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was done; one namespace's trouble does not keep the others from being cleaned."""
    from meshtest.errors import MeshError
    from meshtest.meshes.kubernetes.api import Api

    api = Api(options.kube_context)
    clean = _would_clean if options.dry_run else _clean
    done = []
    for namespace in dict.fromkeys(options.mesh_namespace):
        try:
            done.append(clean(api, namespace))
        except MeshError as error:
            print(error, file=sys.stderr)
            done.append(False)
    api.close()
    return int(not all(done))


def _clean(api: Api, namespace: str) -> bool:
    """Whether nothing is left."""
    from meshtest.meshes.kubernetes.lease import Lease
    from meshtest.meshes.kubernetes.remains import mend

    lease = Lease(api, "clean", namespace)
    try:
        found = mend(api, namespace)
    finally:
        lease.close()
    for each in found:
        print(each, file=sys.stderr if each.error else sys.stdout)
    _mention(api, namespace, nothing=not found)
    return not any(each.error for each in found)


def _would_clean(api: Api, namespace: str) -> bool:
    from meshtest.meshes.kubernetes.lease import HeldByAnother, living
    from meshtest.meshes.kubernetes.remains import remains, would_be

    if holder := living(api, namespace):
        raise HeldByAnother(f"a run works in namespace {namespace}: {holder}; what it has in force is its own")
    found = remains(api, namespace).objects
    for kept in found:
        print(f"would be {would_be(kept)}")
    _mention(api, namespace, nothing=not found)
    return True


def _mention(api: Api, namespace: str, nothing: bool) -> None:
    """What there is besides: what is kept for a person, who may have forgotten it."""
    from meshtest.meshes.kubernetes.remains import remains

    if nothing:
        print(f"nothing is left of killed runs in namespace {namespace}")
    for name in remains(api, namespace).abandoned:
        print(
            f"kept     {name} in {namespace}: what an object was before someone else changed it; delete it when you are done with it"
        )
