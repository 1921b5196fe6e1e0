"""Servers as child processes, and waiting until something is so."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

POLL_S = 0.01


class NotReady(Exception):
    """A server ended, or did not do what it should in time."""


class Processes:
    """Child processes with a log file each, ended in the opposite order of their start."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: object, env: Mapping[str, str] | None = None) -> None:
        with (self._logs / f"{name}.log").open("wb") as log:
            self._children[name] = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._logs,
                env={**os.environ, **(env or {})},
            )

    def check(self) -> None:
        """NotReady if one of them has ended."""
        for name, child in self._children.items():
            if child.poll() is not None:
                last = (self._logs / f"{name}.log").read_text(errors="replace").splitlines()[-5:]
                raise NotReady(f"{name} ended with status {child.returncode}:\n" + "\n".join(last))

    def wait(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """Polls until it is ready; NotReady if it is not in time, or if a server ends."""
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise NotReady(f"{what}: not so after {seconds:.0f} s; logs in {self._logs}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        for child in reversed(self._children.values()):
            child.kill()
        for child in self._children.values():
            child.wait()
        self._children.clear()
