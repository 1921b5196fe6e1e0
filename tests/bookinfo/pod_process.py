"""A stand-in as a pod runs it, here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from typing import Any, Self

import httpx

NAMESPACE = "town"


class Pod:
    """The process of one pod; ports are free ones."""

    def __init__(
        self, name: str = "echo-v1-abc", quiet: float = 0.05, env: dict[str, str] | None = None, **given: Any
    ) -> None:
        self.name, self.full_name = name, f"{name}.{NAMESPACE}"
        stand_in = {"kind": "echo", "listen": [["127.0.0.1", 0]], **given}
        environment = {
            "MESHTEST_POD": name,
            "MESHTEST_NAMESPACE": NAMESPACE,
            "MESHTEST_APP": name.split("-")[0],
            "MESHTEST_VERSION": name.split("-")[1],
            "MESHTEST_STAND_IN": json.dumps(stand_in),
        }
        ports = [argument for port in ("commands", "relay", "probe") for argument in (f"--{port}", "0")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meshtest.bookinfo", "pod", *ports, "--quiet", str(quiet)],
            env={**os.environ, **environment, **(env or {})},
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        self.said: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.client = httpx.Client(timeout=30, trust_env=False)

    def port(self, index: int = 0) -> int:
        """The workload's own ports, in the order in which they were given."""
        return int(self.said["listening"][index]["address"][1])

    def url(self, path: str = "/", index: int = 0) -> str:
        return f"http://127.0.0.1:{self.port(index)}{path}"

    def get(self, path: str = "/") -> httpx.Response:
        return self.client.get(self.url(path))

    def probe(self) -> int:
        """What Kubernetes is answered when it asks whether the pod is ready."""
        return self.client.get(f"http://127.0.0.1:{self.said['probe']}/").status_code

    def connect(self, port: str = "commands") -> socket.socket:
        """A connection to one of the stand-in's own ports."""
        return socket.create_connection(("127.0.0.1", self.said[port]), timeout=30)

    def ask(self) -> socket.socket:
        """A connection on which the workload has been asked something."""
        asking = socket.create_connection(("127.0.0.1", self.port()), timeout=30)
        asking.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        return asking

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


class Client:
    """One connection to the command channel, its lines as they are."""

    def __init__(self, pod: Pod) -> None:
        self._socket = pod.connect()
        self._file = self._socket.makefile("rwb")
        self._pod = pod

    def say(self, command: str, *, again: str = "", **members: Any) -> dict[str, Any]:
        """Gives a command; `again` is its id if it may be a repeated one."""
        self.send(json.dumps({"id": again or uuid.uuid4().hex, "command": command, **members}))
        return self.hear()

    def tell(self, command: str, **members: Any) -> dict[str, Any]:
        """A command about the pod."""
        return self.say(command, instances=[self._pod.full_name], **members)

    def observe(self) -> dict[str, Any]:
        """What the pod has seen."""
        return dict(self.tell("observe")["observed"][self._pod.full_name])

    def send(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def hear(self) -> dict[str, Any]:
        return dict(json.loads(self._file.readline()))

    def at_end(self) -> bool:
        """Whether the pod has hung up."""
        return self._file.readline() == b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()
