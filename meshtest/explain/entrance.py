"""Where a call from outside enters a gateway, and what to say where nothing listens."""

from __future__ import annotations

from meshtest.explain.call import Call
from meshtest.translate.gateway_server import Server, merged, target_port
from meshtest.translate.host import intersection, wildcard
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Proxy, Snapshot


def entered(snapshot: Snapshot, proxy: Proxy, config: ProxyConfig, call: Call) -> tuple[Call, str, int] | None:
    """The call (with a host and port if it has none), the listener by name, and the port of the gateway's pod; None if nothing listens.

    A path alone is asked of the first HTTP server, for a host that it takes and a rule decides.
    """
    if not call.host:
        servers = [each for each in merged(snapshot, proxy).servers if each.protocol.http]
        if not servers:
            return None
        host = call.request.value(":authority") if call.request else ""
        call = call.at(host or host_of(snapshot, proxy, servers[0]), servers[0].number)
    port = target_port(snapshot, proxy, call.port)
    found = [
        name
        for name, listener in config.listeners.items()
        if listener["address"]["socket_address"]["port_value"] == port
    ]
    return (call, min(found, key=lambda name: not name.startswith("0.0.0.0_")), port) if found else None


def host_of(snapshot: Snapshot, proxy: Proxy, server: Server) -> str:
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


def nothing_listens(snapshot: Snapshot, proxy: Proxy, call: Call) -> str:
    """Why a call finds no listener."""
    port = f" on port {call.port}" if call.port else ""
    numbers = sorted({server.number for server in merged(snapshot, proxy).servers})
    if numbers:
        known = ", ".join(map(str, numbers))
        return f"nothing listens{port}: the servers of the Gateways that select this gateway are on {known}, or have nothing to send to"
    gateways = snapshot.of_kind("Gateway")
    if not gateways:
        return f"nothing listens{port}: there is no Gateway"
    selectors = "; ".join(
        f"{each} at {each.where('spec', 'selector')} selects {dict(each.spec.get('selector', {}))}" for each in gateways
    )
    return f"nothing listens{port}: no Gateway selects this gateway, which has the labels {dict(proxy.instance.labels)}: {selectors}"
