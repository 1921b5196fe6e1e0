"""Which connections to a port of a workload are taken, and as what (`filterchain_options.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.translate.peer_authentication import DISABLE, PERMISSIVE, STRICT

Json = dict[str, Any]

PLAIN, TLS = "raw_buffer", "tls"
_PLAIN_HTTP = ("http/1.1", "h2c")
_MESH_HTTP = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
_MESH_TCP = ("istio-peer-exchange", "istio")
_MESH = ("istio", "istio-peer-exchange", *_MESH_HTTP)


@dataclass(frozen=True)
class Match:
    """Connections that are alike: with TLS or without, and what they announce (ALPN, or what the HTTP inspector finds).

    `http` says that requests are read, `secured` that mutual TLS ends here.
    """

    http: bool
    transport: str
    announced: Sequence[str] = ()
    secured: bool = False

    def as_json(self, port: int) -> Json:
        """Envoy's FilterChainMatch for a port; 0 is for any that has none of its own."""
        out: Json = {"destination_port": port} if port else {}
        if self.announced:
            out["application_protocols"] = [*self.announced]
        return {**out, "transport_protocol": self.transport}


_HTTP = {
    STRICT: (Match(True, TLS, secured=True),),
    PERMISSIVE: (Match(True, TLS, _MESH, secured=True), Match(True, PLAIN)),
    DISABLE: (Match(True, PLAIN),),
}
_SNIFFED = {
    STRICT: (Match(True, TLS, _MESH_HTTP, secured=True), Match(False, TLS, secured=True)),
    PERMISSIVE: (
        Match(True, TLS, _MESH_HTTP, secured=True),
        Match(True, PLAIN, _PLAIN_HTTP),
        Match(False, TLS, _MESH_TCP, secured=True),
        Match(False, PLAIN),
        Match(False, TLS),  # TLS of the application's own, carried as it is
    ),
    DISABLE: (Match(True, PLAIN, _PLAIN_HTTP), Match(False, PLAIN)),
}
_TCP = {
    STRICT: (Match(False, TLS, secured=True),),
    PERMISSIVE: (Match(False, TLS, _MESH, secured=True), Match(False, TLS), Match(False, PLAIN)),
    DISABLE: (Match(False, PLAIN),),
}


def of_http(mode: str) -> Sequence[Match]:
    """For a port that speaks HTTP, by its mode of mutual TLS."""
    return _HTTP[mode]


def of_tcp(mode: str) -> Sequence[Match]:
    """For a port that speaks anything else."""
    return _TCP[mode]


def sniffed(mode: str) -> Sequence[Match]:
    """For a port of which nothing is known."""
    return _SNIFFED[mode]
