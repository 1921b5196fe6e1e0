"""Somebody else whom the same ingress gateway serves."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from meshtest.meshes.kubernetes.api import Api

from .stand_ins import until

Json = dict[str, Any]
TCP_PORT = 9191
_PLACE = "istio-system"


@dataclass(frozen=True)
class Neighbour:
    """A namespace with a Gateway for a host and for a TCP port, and an answer that the gateway itself gives."""

    api: Api
    namespace: str

    @property
    def host(self) -> str:
        return f"{self.namespace}.example.com"

    def ask(self) -> tuple[int, str]:
        """Status and body of an answer, over a connection of its own."""
        [pod, *_] = self.api.list(f"/api/v1/namespaces/{_PLACE}/pods", labelSelector="istio=ingressgateway")
        connection = http.client.HTTPConnection(self.host)
        connection.sock = self.api.forward(_PLACE, pod["metadata"]["name"], self._port())
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _port(self) -> int:
        """Where pods of the gateway listen for port 80 of its Service."""
        ports = self.api.get(f"/api/v1/namespaces/{_PLACE}/services/istio-ingressgateway")["spec"]["ports"]
        return int(next(each["targetPort"] for each in ports if each["port"] == 80))

    def objects(self) -> Iterator[Json]:
        http = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [self.host]}
        tcp = {"port": {"number": TCP_PORT, "name": "tcp", "protocol": "TCP"}, "hosts": ["*"]}
        yield self._object("Gateway", {"selector": {"istio": "ingressgateway"}, "servers": [http, tcp]})
        answer = {"status": 200, "body": {"string": self.namespace}}
        spec = {"hosts": [self.host], "gateways": ["neighbour"], "http": [{"directResponse": answer}]}
        yield self._object("VirtualService", spec)

    def _object(self, kind: str, spec: Mapping[str, object]) -> Json:
        metadata = {"name": "neighbour", "namespace": self.namespace}
        return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": dict(spec)}


@contextmanager
def neighbour(api: Api, namespace: str) -> Iterator[Neighbour]:
    """One whom the gateway serves already; gone afterwards."""
    found = Neighbour(api, namespace)
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    api.send("POST", "/api/v1/namespaces", made)
    try:
        for each in found.objects():
            api.apply(each, manager="meshtest-tests")
        until(lambda: _answers(found), "the gateway serves the neighbour")
        yield found
    finally:
        api.send("DELETE", f"/api/v1/namespaces/{namespace}")


def _answers(found: Neighbour) -> bool:
    try:
        return found.ask() == (200, found.namespace)
    except (OSError, http.client.HTTPException):  # nothing listens yet
        return False
