"""The stand-in workloads: one process for all instances of a mesh."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.local.site import Address, Site, Sites
from meshtest.topology.instance import Instance
from meshtest.topology.service import DOMAIN
from meshtest.topology.topology import Topology
from meshtest.translate.inbound_port import inbound_ports
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

BOOKINFO = ("productpage", "details", "ratings", "reviews")
DEADLINE = 20.0  # seconds; it takes 0.1


class Workloads:
    """The process behind all sidecars, and its command channel."""

    def __init__(self, plan: Json, log: Path, group: int) -> None:
        self._log = log
        package_root = str(Path(__file__).parents[3])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([package_root, *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "meshtest.bookinfo"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                process_group=group,
            )
        self._send(plan)

    def wait_ready(self) -> None:
        """Wait until every workload listens; MeshError says which address could not be had."""
        answer = self._receive()
        if "error" in answer:
            raise MeshError(f"the workloads did not start: {answer['error']}")

    def check(self) -> None:
        """MeshError if the process has ended."""
        if (status := self.process.poll()) is not None:
            raise MeshError(f"the workloads' process ended with status {status}. Its log:\n{self._tail()}")

    def close(self) -> None:
        """Reap the process, which the guardian ends."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.wait()

    def _send(self, message: Json) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            self.process.wait(DEADLINE)
            self.check()

    def _receive(self) -> Json:
        assert self.process.stdout is not None
        deadline = time.monotonic() + DEADLINE
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            if not waiting.select(deadline - time.monotonic()):
                raise MeshError(f"the workloads did not answer in {DEADLINE:g} s. Their log:\n{self._tail()}")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.check()
        return dict(json.loads(line))

    def _tail(self) -> str:
        return (
            "\n".join(
                f"  {line}" for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            )
            or "  (empty)"
        )


def plan(topology: Topology, sites: Sites) -> Json:
    """What the process is to run: each instance that is no gateway, and the hosts outside."""
    snapshot = Snapshot(topology, ())
    own = [_instance(snapshot, site) for site in sites.by_address.values() if not site.instance.gateway]
    outside = {"name": "outside", "workload": "outside", "kind": "external", "listen": [list(sites.outside)]}
    return {"instances": [*(each for each in own if each["listen"]), outside]}


def _instance(snapshot: Snapshot, site: Site) -> Json:
    instance = site.instance
    ports = [each.number for each in inbound_ports(snapshot, Proxy(instance))]
    return {
        "name": instance.name,
        "workload": instance.workload,
        "app": instance.app,
        "version": instance.version or "",
        "namespace": instance.namespace,
        "kind": _kind(instance),
        "listen": [list(site.workload(port)) for port in ports],
        "env": dict(instance.env),
        "upstreams": {name: list(address) for name, address in upstreams(snapshot.topology, site).items()},
    }


def _kind(instance: Instance) -> str:
    """Bookinfo's own programs are known by their image; anything else is a generic echo."""
    containers = instance.resource.spec.get("template", {}).get("spec", instance.resource.spec).get("containers") or []
    images = [str(each.get("image", "")) for each in containers if isinstance(each, dict)]
    for name in BOOKINFO:
        if any(f"examples-bookinfo-{name}-" in image for image in images):
            return name
    return "echo"


def upstreams(topology: Topology, site: Site) -> dict[str, Address]:
    """Where the workload reaches each Service by each of its names, as `host:port`."""
    out: dict[str, Address] = {}
    for service in topology.services:
        short = f"{service.name}.{service.namespace}"
        names = [short, f"{short}.svc", f"{short}.{DOMAIN}"] + (
            [service.name] if service.namespace == site.instance.namespace else []
        )
        for port in service.ports:
            listener = f"0.0.0.0_{port.number}" if port.protocol.http else f"{service.address}_{port.number}"
            out |= {f"{name}:{port.number}": site.listener(listener) for name in names}
    return out
