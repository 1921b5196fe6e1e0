"""However a run ends, it leaves no process and no file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LONG = """
import json, os
from pathlib import Path
from meshtest import GET, split

def note(mesh, name):
    backend = mesh._backend
    pids = [envoy.process.pid for envoy in backend._envoys.values()] + [backend._workloads.process.pid]
    pids.append(backend._guardian._process.pid)
    left = {"pids": pids, "folders": backend._guardian.folders, "own": os.getpid(),
            "log": str(backend._gateway().access_log)}
    Path(name + ".new").write_text(json.dumps(left))
    os.rename(name + ".new", name)

def test_long(mesh, ingress):
    mesh.apply("canary.yaml")
    note(mesh, "started")
    ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=0.1), causes=True)

def test_longer(mesh, ingress):
    mesh.apply("canary.yaml")
    note(mesh, "started-too")
    ingress.measure(GET("/reviews/0"), seconds=600)
"""


def wait_for(fact: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """The fact, once it is one."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(left: dict[str, Any]) -> bool:
    """Whether nothing is left of a mesh."""
    return not any(map(alive, left["pids"])) and not any(map(os.path.exists, left["folders"]))


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(project: pytest.Pytester) -> Iterator[Start]:
    """Starts Python programs in the background; those that a failing test leaves are killed."""
    with contextlib.ExitStack() as ends:

        def begin(*arguments: str, **options: Any) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", *arguments]
            run = subprocess.Popen(
                command, cwd=project.path, stdout=subprocess.PIPE, text=True, process_group=0, **options
            )
            ends.callback(end, run)
            return run

        yield begin


def end(run: subprocess.Popen[str]) -> None:
    """End a program that still runs, and all of its processes."""
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def start_pytest(project: pytest.Pytester, start: Start, *arguments: str) -> subprocess.Popen[str]:
    """A pytest run in the background."""
    project.makepyfile(LONG)
    return start("pytest", "-p", "no:cacheprovider", *arguments, stderr=subprocess.STDOUT)


def noted(project: pytest.Pytester, name: str = "started") -> dict[str, Any]:
    """What a run has started."""
    path = Path(project.path, name)
    wait_for(path.exists, f"{name} was written")
    return dict(json.loads(path.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kill_9(project: pytest.Pytester, start: Start) -> None:
    """Killed in the middle of a verdict, pytest leaves nothing."""
    run = start_pytest(project, start, "-k", "test_long and not longer")
    left = noted(project)
    assert all(map(alive, left["pids"]))
    run.kill()
    run.communicate()
    wait_for(lambda: gone(left), f"{left} were gone")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c(project: pytest.Pytester, start: Start) -> None:
    """Ctrl-C in the middle of a verdict: partial figures, a clean exit, nothing left."""
    run = start_pytest(project, start, "-k", "test_long and not longer")
    left = noted(project)
    wait_for(lambda: os.path.getsize(left["log"]), "requests were under way")
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "KeyboardInterrupt" in output
    row = next(line for line in output.splitlines() if line.startswith("interrupted"))
    assert "v1 80 %, v2 20 %" in row
    assert "Traceback" not in output
    assert gone(left)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kill_9_of_all_workers(project: pytest.Pytester, start: Start) -> None:
    """Two workers with a mesh each, killed with their controller, leave nothing; the meshes had no address in common."""
    run = start_pytest(project, start, "-n", "2")
    meshes = [noted(project), noted(project, "started-too")]
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    for left in meshes:
        if alive(left["own"]):
            os.kill(left["own"], signal.SIGKILL)
        wait_for(lambda left=left: gone(left), f"{left} were gone")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_up(project: pytest.Pytester, start: Start) -> None:
    """`meshtest up` prints the gateway's URL, which answers, and leaves nothing after Ctrl-C."""
    import httpx

    run = start("meshtest", "up", "canary.yaml")
    assert run.stdout is not None
    url = run.stdout.readline().split()[2]
    assert httpx.get(f"{url}/reviews/0", trust_env=False).json()["podname"].startswith("reviews-v")
    assert "reviews-v3" in run.stdout.readline()
    assert "Ctrl-C" in run.stdout.readline()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 0


TLS_ONLY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [web.example.com], tls: {mode: SIMPLE, credentialName: web}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web.example.com], gateways: [edge], http: [{route: [{destination: {host: reviews}}]}]}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_up_with_tls(project: pytest.Pytester, start: Start) -> None:
    """Where the gateway speaks TLS, `meshtest up` says how to call it: where it is, and whom to trust."""
    import socket
    import ssl

    Path(project.path, "secure.yaml").write_text(TLS_ONLY)
    run = start("meshtest", "up", "secure.yaml")
    assert run.stdout is not None
    words = run.stdout.readline().split()
    assert words[2] == "https://web.example.com"
    _, _, host, port = words[words.index("--connect-to") + 1].split(":")
    trusted = words[words.index("--cacert") + 1]
    context = ssl.create_default_context(cafile=trusted)
    with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname="web.example.com") as asked:
        asked.sendall(b"GET /reviews/0 HTTP/1.1\r\nHost: web.example.com\r\n\r\n")
        assert asked.recv(65536).startswith(b"HTTP/1.1 200 OK")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert not Path(trusted).exists()
