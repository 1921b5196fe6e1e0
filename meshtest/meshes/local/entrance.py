"""Which server of the ingress gateway takes a request, and under which host. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from meshtest.errors import MeshError
from meshtest.traffic.request import Request
from meshtest.translate.gateway_server import Server, merged
from meshtest.translate.host import intersection, wildcard
from meshtest.translate.snapshot import Proxy, Snapshot


def entrance(snapshot: Snapshot, proxy: Proxy, request: Request) -> tuple[Server, str]:
    """The server for the request's port (by default the first), and the Host header to send."""
    found = [server for server in merged(snapshot, proxy).servers if server.protocol.http]
    if not found:
        raise MeshError(
            "nothing listens at the ingress gateway: no Gateway is applied that selects it; "
            "apply one (mesh.apply), with `selector: {istio: ingressgateway}` and a server"
        )
    if request.authority is None:
        return found[0], _host(snapshot, proxy, found[0])
    port = urlsplit(f"//{request.authority}").port or 80
    for server in found:
        if server.number == port:
            return server, request.authority
    ports = ", ".join(sorted({str(server.number) for server in found}))
    raise MeshError(
        f"no server of an applied Gateway listens on port {port}, which {request} asks for; there are servers on {ports}"
    )


def _host(snapshot: Snapshot, proxy: Proxy, server: Server) -> str:
    """A host that the server takes and a rule decides, the first that is no wildcard; else one that matches the first wildcard."""
    ruled = [
        host
        for each in snapshot.virtual_services_for(server.gateway, proxy.namespace)
        for host in intersection(server.hosts_for(each.resource.namespace), each.hosts)
    ]
    hosts = [*ruled, *(host.rpartition("/")[2] for host in server.hosts)]
    if "*" in ruled:
        return "ingress"
    return next((host for host in hosts if not wildcard(host)), hosts[0].replace("*", "ingress", 1))
