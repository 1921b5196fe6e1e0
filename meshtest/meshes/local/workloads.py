"""The stand-in workloads: one process for all instances of a mesh."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshtest.authority import Authority
from meshtest.errors import MeshError

Json = dict[str, Any]

DEADLINE = 20.0  # seconds; it takes 0.1
_CHUNK = 1 << 20


class Workloads:
    """The process behind all sidecars: which stand-ins it runs, and its command channel (`meshtest.bookinfo.control`)."""

    def __init__(self, log: Path, group: int) -> None:
        self._log = log
        self._commands = 0
        self._read = b""
        self._turn = threading.Lock()
        self._running: dict[str, Json] = {}
        self._calling: dict[str, Json] = {}
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

    def begin(self, stand_ins: Mapping[str, Json], upstreams: Mapping[str, Json]) -> None:
        """Start these stand-ins, that call the Services there; `wait_ready` waits for them."""
        self._running, self._calling = dict(stand_ins), dict(upstreams)
        plan = [
            each | ({"upstreams": upstreams[name]} if name in upstreams else {}) for name, each in stand_ins.items()
        ]
        self._send({"instances": plan})

    def prove(self, authority: Authority, folder: Path, trusted: str) -> None:
        """Give it what to speak TLS with; keys pass through files in `folder`."""
        self.command("prove", authority=[authority.pem, authority.key], folder=str(folder), trusted=trusted)

    def add(self, wanted: Mapping[str, Json]) -> None:
        """Start those of these stand-ins that do not run yet, or run as something else."""
        begins = [each for name, each in wanted.items() if self._running.get(name) != each]
        if ends := [each["name"] for each in begins if each["name"] in self._running]:
            self._remove(ends)
        if begins:
            self.command("add", instances=begins)
            self._running |= {each["name"]: each for each in begins}

    def keep(self, wanted: Mapping[str, Json]) -> None:
        """End all stand-ins but these."""
        if ends := [name for name in self._running if name not in wanted]:
            self._remove(ends)

    def call(self, upstreams: Mapping[str, Json]) -> None:
        """Make workloads call Services at these addresses."""
        changed = {name: each for name, each in upstreams.items() if self._calling.get(name) != each}
        if changed:
            self.command("call", upstreams=changed)
            self._calling |= changed

    def _remove(self, names: list[str]) -> None:
        self.command("remove", instances=names)
        for name in names:
            del self._running[name]

    def command(self, name: str, **members: Any) -> Json:
        """Give a command of `meshtest.bookinfo.control`, and return the reply; MeshError if it is refused. Threads take turns."""
        with self._turn:
            self._commands += 1
            self._send({"id": self._commands, "command": name, **members})
            while (answer := self._receive()).get("id") != self._commands:
                pass  # the reply to a command that was interrupted
        if "error" in answer:
            raise MeshError(f"the stand-in workloads refuse to {name}: {answer['error']}")
        return answer

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
            while b"\n" not in self._read:
                if not waiting.select(deadline - time.monotonic()):
                    raise MeshError(f"the workloads did not answer in {DEADLINE:g} s. Their log:\n{self._tail()}")
                data = os.read(self.process.stdout.fileno(), _CHUNK)
                if not data:
                    self.process.wait()
                    self.check()
                self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return dict(json.loads(line))

    def _tail(self) -> str:
        return (
            "\n".join(
                f"  {line}" for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            )
            or "  (empty)"
        )
