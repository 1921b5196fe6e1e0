"""Which outbound listener of a sidecar takes a call: what DNS and interception do in a cluster. Pure."""

from __future__ import annotations

from meshtest.explain.decision import virtual_host_of
from meshtest.meshes.call import Call
from meshtest.meshes.local.cluster_dns import pod_named, service_named
from meshtest.meshes.local.destination_range import in_range, range_of
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.passthrough import CATCH_ALL, lets_through, taken_by
from meshtest.resources.name import address
from meshtest.topology.instance import Instance
from meshtest.topology.service import Service
from meshtest.translate.cluster_name import PASSTHROUGH
from meshtest.translate.filter_chain import ANY_ADDRESS
from meshtest.translate.host import most_specific, within
from meshtest.translate.proxy_config import ProxyConfig

_LOOPBACK = "127.0.0.1"
_LOCAL = ("localhost", _LOOPBACK)


def listener_for(grounds: Grounds, call: Call) -> str:
    """The (grounded) listener for a call from a workload: that of its destination's address, else of its port on any, else the catch-all.

    Raises ValueError for a call that would arrive within the mesh in a cluster, and cannot here.
    """
    topology, namespace = grounds.snapshot.topology, grounds.proxy.namespace
    service = service_named(topology, call.host, namespace)
    pod = None if service else pod_named(topology, call.host, namespace)
    if service is not None:
        listener = listener_of(grounds, service, call.port)
    else:
        listener = _listener(grounds.config, pod.address if pod else _outside(grounds, call.host), call.port)
    if listener is None:
        raise ValueError(
            f"{call}: no instance stands behind {service and service.hostname}, so that its name has no address"
        )
    if objection := _objection(grounds, call, listener, service, pod):
        raise ValueError(f"{call}: {objection}")
    return listener


def _objection(grounds: Grounds, call: Call, listener: str, service: Service | None, pod: Instance | None) -> str:
    """Why a call cannot be made here, that could in a cluster; empty if it can."""
    if call.host in _LOCAL and listener != f"{_LOOPBACK}_{call.port}":
        return "nothing listens there; a Sidecar would say so with an egress listener of this `bind`"
    if listener not in (CATCH_ALL, f"{ANY_ADDRESS}_{call.port}"):
        return ""
    let_through = _let_through(grounds.config, listener, call.host)
    if service and let_through and not _arrives(grounds, service, call.port):
        ports = ", ".join(str(each.number) for each in service.ports)
        return f"the Service {service.hostname} has no port {call.port}, and no rule takes the call; it has {ports}"
    if pod and (let_through or not address(call.host)):
        return (
            "a pod is called at its own address, which only TCP ports of a Service without an address can be here: "
            "call the Service"
        )
    if call.scheme != "tcp" and listener != CATCH_ALL and _misunderstood(grounds, call):
        spoken = "in the clear" if call.encrypted else "with TLS"
        return f"the ServiceEntry of the host says that its port is spoken to {spoken}, so that a sidecar does not read the call"
    return ""


def _misunderstood(grounds: Grounds, call: Call) -> bool:
    """Whether a ServiceEntry for this host, that gives no address for it, says that its port carries TLS where the call does not.

    Or HTTP in the clear where it does. Then the call goes on, to a host of which nothing more is known here.
    """
    entries = [each for each in grounds.snapshot.registry.services if each.entry and not each.address]
    found = [each.port(call.port) for each in entries if within(call.host, each.hostname.lower())]
    return any(port and (port.protocol.http if call.encrypted else port.protocol.tls) for port in found)


def _arrives(grounds: Grounds, service: Service, port: int) -> bool:
    """Whether a call that is let through finds the Service."""
    return any(each.service is service and each.port.number == port for each in grounds.unknown)


def listener_of(grounds: Grounds, service: Service, port: int) -> str | None:
    """The listener for calls to a Service by its name; None where nothing stands behind a Service without an address."""
    if not service.address:
        # DNS gives the addresses of its pods, of which a caller takes the first
        found = [each for known in service.ports for each in grounds.snapshot.topology.endpoints(service, known)]
        return _listener(grounds.config, found[0].address, port) if found else None
    listener = _listener(grounds.config, service.address, port)
    for each in grounds.unknown:
        if each.service is service and each.port.number == port and taken_by(grounds.config, each):
            return each.listener(listener)
    return listener


def _listener(config: ProxyConfig, destination: str, port: int) -> str:
    names = (f"{destination}_{port}", f"{ANY_ADDRESS}_{port}")
    name = next((name for name in names if name in config.listeners), CATCH_ALL)
    prefix = range_of(config.listeners[name], destination) if name in config.listeners else None
    return in_range(name, prefix) if prefix else name


def _outside(grounds: Grounds, host: str) -> str:
    """The address of a host outside: its own, else what a ServiceEntry says; empty where nobody knows."""
    if host == "localhost":
        return _LOOPBACK
    if address(host):
        return host
    entries = [each for each in grounds.snapshot.registry.services if each.entry and each.address]
    best = most_specific(host, {each.hostname.lower() for each in entries})
    return next((each.address.partition("/")[0] for each in entries if each.hostname.lower() == best), "")


def _let_through(config: ProxyConfig, listener: str, host: str) -> bool:
    """Whether the call would go on to where it was going, as one to a host that the proxy does not know."""
    if listener == CATCH_ALL:
        return lets_through(config)
    found = virtual_host_of(config, listener, host)
    return found is not None and any(each.get("route", {}).get("cluster") == PASSTHROUGH for each in found["routes"])
