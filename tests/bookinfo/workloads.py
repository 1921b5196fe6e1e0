"""The stand-in process as tests run it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

import httpx


def instance(name: str, kind: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    """One instance of a plan: pod name, kind, version and what else is given."""
    return {
        "name": f"{name}-6b5c7d8f9-x7k2p",
        "workload": name,
        "app": kind,
        "version": version,
        "kind": kind,
        "listen": [["127.0.0.1", 0]],
        **fields,
    }


class Workloads:
    """A running process with its command channel; ``url`` and ``address`` find an instance by its workload's name."""

    def __init__(self, *instances: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meshtest.bookinfo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.client = httpx.Client(timeout=30, trust_env=False)
        self.started = self.say({"instances": list(instances)})
        self._sent = 0

    def say(self, message: object) -> dict[str, Any]:
        """Writes one line, reads one."""
        return self.say_line(json.dumps(message).encode())

    def say_line(self, line: bytes) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        assert isinstance(reply, dict)
        return reply

    def command(self, command: str, **members: Any) -> dict[str, Any]:
        """Gives a command; its reply without the id, which must be the command's."""
        self._sent += 1
        reply = self.say({"id": self._sent, "command": command, **members})
        assert reply.pop("id") == self._sent
        return reply

    def address(self, workload: str, index: int = 0) -> tuple[str, int]:
        found = [entry["address"] for entry in self.started["listening"] if entry["name"].startswith(f"{workload}-6b5")]
        return tuple(found[index])

    def url(self, workload: str, path: str = "/") -> str:
        host, port = self.address(workload)
        return f"http://{host}:{port}{path}"

    def get(self, workload: str, path: str, **options: Any) -> httpx.Response:
        return self.client.get(self.url(workload, path), **options)

    def close(self) -> int:
        """Ends standard input and waits for the process."""
        self.client.close()
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
