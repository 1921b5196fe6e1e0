"""The administration interface of a proxy in a pod, through the API server."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import socket
import threading
from functools import cached_property
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api

PORT, READINESS = 15000, 15021  # the first on the pod's loopback (Istio's application ports)
_PATIENCE = 20.0  # seconds for an answer


class Admin:
    """One proxy's, over a connection that stays open. Threads take turns."""

    def __init__(self, api: Api, namespace: str, pod: str) -> None:
        self._api = api
        self._namespace, self._pod = namespace, pod
        self._turn = threading.Lock()
        self._connection: socket.socket | None = None

    def get(self, path: str, method: str = "GET") -> str:
        """What it answers; MeshError if it does not."""
        with self._turn:
            for attempt in (1, 2):
                try:
                    return self._exchange(path, method)
                except (OSError, http.client.HTTPException) as error:
                    self.close()
                    if attempt == 2:
                        raise MeshError(
                            f"the proxy of pod {self._namespace}/{self._pod} does not answer at its port {PORT}: {error}; "
                            "does the pod have a sidecar, and is it running?"
                        ) from error
        raise AssertionError

    @cached_property
    def _info(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/server_info")))

    @property
    def workers(self) -> int:
        """How many worker threads it has."""
        return int(self._info["command_line_options"]["concurrency"])

    @property
    def versions(self) -> dict[str, str]:
        """Envoy's (of `commit/1.40.0/Clean/RELEASE/BoringSSL`), and Istio's if it has one."""
        envoy = str(self._info["version"]).split("/")[1]
        istio = self._info["node"]["metadata"].get("ISTIO_VERSION", "unknown")
        return {"Envoy": envoy} | ({} if istio == "unknown" else {"Istio": str(istio)})

    def settle(self) -> None:
        """Wait until the worker threads work with what the main thread has acknowledged.

        An exchange with a worker comes behind it. Which one takes a connection is chance, so that enough are made for all of them to have
        taken one, but for a chance of 1e-6.
        """
        for _ in range(_connections(self.workers)):
            self._ready()

    def _ready(self) -> None:
        """One question to the readiness listener, over a connection of its own."""
        with self._api.forward(self._namespace, self._pod, READINESS) as question:
            question.settimeout(_PATIENCE)
            with contextlib.suppress(OSError):
                question.sendall(b"GET /healthz/ready HTTP/1.1\r\nHost: readiness\r\nConnection: close\r\n\r\n")
                question.recv(64)

    def _exchange(self, path: str, method: str) -> str:
        if self._connection is None:
            self._connection = self._api.forward(self._namespace, self._pod, PORT)
            self._connection.settimeout(_PATIENCE)
        self._connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n".encode())
        answer = http.client.HTTPResponse(self._connection, method=method)
        try:
            answer.begin()
            body = answer.read().decode("utf-8", "replace")
        finally:
            answer.close()
        if answer.status != http.client.OK:
            raise MeshError(
                f"the proxy of pod {self._namespace}/{self._pod} answers {method} {path} with {answer.status}: {body.strip()}"
            )
        return body

    def close(self) -> None:
        """Hang up; a later question opens a new connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def ask(api: Api, namespace: str, pod: str, path: str) -> str:
    """One question over a connection of its own."""
    admin = Admin(api, namespace, pod)
    try:
        return admin.get(path)
    finally:
        admin.close()


def _connections(workers: int) -> int:
    """How many connections meet each of so many threads, but for a chance of 1e-6 that one is missed."""
    return 1 if workers <= 1 else math.ceil(math.log(1e-6 / workers) / math.log(1 - 1 / workers))
