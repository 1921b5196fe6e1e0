"""However a mesh with hosts outside and certificates ends, it leaves no process, no file and no key; and two do not meet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, time
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text
from meshtest.topology.default import default_topology

mesh = LocalMesh(default_topology([]))
mesh.wait_ready()
mesh.put({each.key: each for each in check(read_text(sys.stdin.read(), "given.yaml"))})
pids = [each.process.pid for each in mesh._envoys.values()] + [mesh._workloads.process.pid, mesh._guardian._process.pid]
places = [mesh._sites.host("api.example.com", 443), mesh._sites.outside, mesh.enter("tls://web.example.com").address]
print(json.dumps({"pids": pids, "folders": mesh._guardian.folders, "places": places}), flush=True)
time.sleep(600)
"""
GIVEN = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: it}
spec: {hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [web.example.com], tls: {mode: SIMPLE, credentialName: web}}]
"""


def wait_for(fact: Callable[[], bool], what: str) -> None:
    """Until it is one."""
    deadline = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started() -> tuple[subprocess.Popen[str], dict[str, list[object]]]:
    """A mesh in a process of its own, and what belongs to it."""
    run = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stdin is not None
    assert run.stdout is not None
    run.stdin.write(GIVEN)
    run.stdin.close()
    return run, dict(json.loads(run.stdout.readline()))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kill_9() -> None:
    """Two at once have nothing in common; killed without a chance to clean up, neither leaves anything, keys least of all."""
    runs = [started(), started()]
    (_, first), (_, second) = runs
    for kind in ("pids", "folders", "places"):
        assert not {str(each) for each in first[kind]} & {str(each) for each in second[kind]}
    for run, left in runs:
        pids, folders = [int(str(each)) for each in left["pids"]], [str(each) for each in left["folders"]]
        assert all(map(alive, pids))
        keys = [each for each in Path(folders[0]).rglob("*") if each.is_file() and "PRIVATE KEY" in each.read_text()]
        assert keys, "there are keys to leave"
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert run.stdout is not None
        run.stdout.close()
        wait_for(lambda pids=pids: not any(map(alive, pids)), "all processes ended")  # type: ignore[misc]
        wait_for(lambda folders=folders: not any(map(os.path.exists, folders)), "all files gone")  # type: ignore[misc]
