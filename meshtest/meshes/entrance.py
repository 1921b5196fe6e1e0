"""Which server of the ingress gateway takes a call, and under which host. Pure."""

from __future__ import annotations

from meshtest.errors import MeshError
from meshtest.explain.entrance import host_of
from meshtest.meshes.call import Call
from meshtest.topology.protocol import Protocol
from meshtest.translate.gateway_server import Server, merged
from meshtest.translate.host import most_specific
from meshtest.translate.snapshot import Proxy, Snapshot


def entrance(snapshot: Snapshot, proxy: Proxy, call: Call) -> tuple[Server, str]:
    """The server on the call's port (without a host the first of HTTP in the clear), and the host to ask for."""
    found = merged(snapshot, proxy).servers
    if not found:
        raise MeshError(
            "nothing listens at the ingress gateway: no Gateway is applied that selects it; "
            "apply one (mesh.apply), with `selector: {istio: ingressgateway}` and a server"
        )
    if call.authority is None:
        return _first(snapshot, proxy, found)
    on_port = [server for server in found if server.number == call.port]
    if not on_port:
        ports = ", ".join(sorted({str(server.number) for server in found}, key=int))
        raise MeshError(
            f"no server of an applied Gateway listens on port {call.port}, which {call} asks for; there are servers on {ports}"
        )
    return min(on_port, key=lambda server: _distance(server, call)), call.authority


def urls(snapshot: Snapshot, proxy: Proxy) -> list[str]:
    """A URL of each server, with a host that it takes and a rule decides if there is one."""
    found = merged(snapshot, proxy).servers
    return list(dict.fromkeys(f"{_scheme(each)}://{host_of(snapshot, proxy, each)}:{each.number}" for each in found))


def _scheme(server: Server) -> str:
    if server.protocol.http:
        return "http"
    if server.protocol is Protocol.HTTPS:
        return "https"
    return "tls" if server.encrypted else "tcp"


def _distance(server: Server, call: Call) -> tuple[bool, bool]:
    """How far a server is from what a call asks for: TLS or not, then the host. Of those on one address Envoy chooses itself."""
    takes = most_specific(call.host, [host.rpartition("/")[2] for host in server.hosts])
    return (server.encrypted != call.encrypted, takes is None)


def _first(snapshot: Snapshot, proxy: Proxy, found: list[Server]) -> tuple[Server, str]:
    server = next((server for server in found if server.protocol.http), None)
    if server is None:
        ports = ", ".join(f"{server.protocol.value} on {server.number}" for server in found)
        raise MeshError(
            f"no server of an applied Gateway speaks HTTP in the clear (there are {ports}): say where to enter with a whole URL, "
            "such as https://bookinfo.example.com/productpage"
        )
    return server, host_of(snapshot, proxy, server)
