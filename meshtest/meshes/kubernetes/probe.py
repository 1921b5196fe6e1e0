"""Whether a change has come to a gateway that cannot be asked what it holds: by an answer of its own that is changed after all else.

The answer is that of a Gateway and a VirtualService of the run's own, for a host that nobody else asks for; the API server is told of
them last, and istiod tells a proxy of everything that it knows at once. It says nothing of other proxies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from meshtest.errors import MeshError
from meshtest.resources.manifest import read_objects
from meshtest.resources.resource import Resource

Json = dict[str, Any]
Key = tuple[str, str, str, str]

DEADLINE = 30.0  # seconds
PORT = 80
IN_A_ROW = 20
"""Answers, each over a connection of its own: a gateway may have several pods and worker threads, and each of these learns by itself."""
_PAUSE = 0.02


class Probe:
    """The objects are put into `namespace`, for gateways whose pods have `selector`; `ask` asks for a host, and gives the answer's body."""

    def __init__(self, run: str, namespace: str, selector: Mapping[str, str], ask: Callable[[str], str]) -> None:
        self._namespace, self._selector, self._ask = namespace, selector, ask
        self._name = f"meshtest-probe-{run}"
        self._host = f"probe-{run}.meshtest"
        self._number = 0

    def next(self) -> dict[Key, Resource]:
        """The objects that make the next answer."""
        self._number += 1
        return {each.key: each for each in read_objects([self._gateway(), self._rule()], self._namespace)}

    def wait(self) -> None:
        """Wait until all that comes is the answer of the last `next`; MeshError if something else comes for too long."""
        deadline, agreed, said = time.monotonic() + DEADLINE, 0, ""
        while agreed < IN_A_ROW:
            said = self._ask(self._host)
            agreed = agreed + 1 if said == str(self._number) else 0
            if not agreed:
                if time.monotonic() > deadline:
                    raise MeshError(
                        f"the ingress gateway has not taken the change in {DEADLINE:g} s (it was asked for {self._host}, and said "
                        f"{said[:100]!r} instead of {self._number}); `istioctl proxy-status` shows whether istiod has sent it"
                    )
                time.sleep(_PAUSE)

    def _gateway(self) -> Json:
        server = {"port": {"number": PORT, "name": "http-meshtest-probe", "protocol": "HTTP"}, "hosts": [self._host]}
        return self._object("Gateway", {"selector": dict(self._selector), "servers": [server]})

    def _rule(self) -> Json:
        answer = {"status": 200, "body": {"string": str(self._number)}}
        spec = {"hosts": [self._host], "gateways": [self._name], "http": [{"directResponse": answer}]}
        return self._object("VirtualService", spec)

    def _object(self, kind: str, spec: Json) -> Json:
        metadata = {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
