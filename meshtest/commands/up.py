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
    from meshtest.traffic.request import GET

    topology, resources = read(options.files, options.topology, gateways=True)
    mesh = LocalMesh(topology)
    try:
        mesh.wait_ready()
        mesh.put({resource.key: resource for resource in resources})
        target = mesh.enter(GET("/")) if any(resource.kind == "Gateway" for resource in resources) else None
        for line in _welcome(mesh, target):
            print(line, flush=True)
        while True:
            mesh.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        mesh.close()


def _welcome(mesh: LocalMesh, target: Target | None) -> Iterator[str]:
    if target is None:
        yield "no Gateway was given, so that nothing listens at the ingress gateway"
    else:
        host = "" if target.host == "ingress" else f"   (send Host: {target.host})"
        yield f"ingress gateway  http://{target.address[0]}:{target.address[1]}{host}"
    yield f"workloads        {', '.join(mesh.workloads())}"
    yield "Ctrl-C ends it"
