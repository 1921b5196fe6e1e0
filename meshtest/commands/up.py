"""`meshtest up`: a local mesh to play with."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from meshtest.commands.given import Commands, add_files, read

if TYPE_CHECKING:
    from meshtest.meshes.local.mesh import LocalMesh
    from meshtest.meshes.protocol import Target


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser("up", help="a local mesh until Ctrl-C")
    add_files(parser, required=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start it, say where it is, and wait."""
    from meshtest.meshes.local.mesh import LocalMesh

    topology, resources = read(options.files, options.topology, gateways=True)
    mesh = LocalMesh(topology)
    try:
        mesh.wait_ready()
        mesh.put({resource.key: resource for resource in resources})
        for line in _welcome(mesh):
            print(line, flush=True)
        while True:
            mesh.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        mesh.close()


def _welcome(mesh: LocalMesh) -> Iterator[str]:
    entrances = mesh.entrances()
    if not entrances:
        yield "nothing listens at the ingress gateway: no Gateway was given with a server that leads anywhere"
    for url, target in sorted(entrances.items(), key=lambda pair: not pair[0].startswith("http:")):
        yield f"ingress gateway  {_entered(mesh, url, target)}"
    yield f"workloads        {', '.join(mesh.workloads())}"
    yield "Ctrl-C ends it"


def _entered(mesh: LocalMesh, url: str, target: Target) -> str:
    """How to reach a server from a shell."""
    address = f"{target.address[0]}:{target.address[1]}"
    scheme, _, authority = url.partition("://")
    host, _, port = authority.rpartition(":")
    if scheme == "http":
        return f"http://{address}" + (f"   (send Host: {host})" if host != "ingress" else "")
    if scheme == "https":
        asked = f"https://{host}" if port == "443" else url
        return f"{asked}   (curl --connect-to ::{address} --cacert {mesh.trusted_file} {asked}/)"
    return f"{url} at {address}"
