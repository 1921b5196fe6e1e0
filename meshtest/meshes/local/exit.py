"""Which outbound listener of a sidecar takes a call: what DNS and interception do in a cluster. Pure."""

from __future__ import annotations

from meshtest.explain.decision import virtual_host_of
from meshtest.meshes.call import Call
from meshtest.meshes.local.cluster_dns import pod_named, service_named
from meshtest.meshes.local.destination_range import in_range, range_of
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.passthrough import CATCH_ALL, lets_through, taken_by
from meshtest.resources.name import address
from meshtest.topology.service import Service
from meshtest.translate.cluster_name import PASSTHROUGH
from meshtest.translate.filter_chain import ANY_ADDRESS
from meshtest.translate.host import most_specific
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
    if listener is None or (call.host in _LOCAL and listener != f"{_LOOPBACK}_{call.port}"):
        raise ValueError(_nothing_there(service, call))
    shared = listener in (CATCH_ALL, f"{ANY_ADDRESS}_{call.port}")
    if (
        service
        and shared
        and not _arrives(grounds, service, call.port)
        and _let_through(grounds.config, listener, call.host)
    ):
        ports = ", ".join(str(each.number) for each in service.ports)
        raise ValueError(
            f"{call}: the Service {service.hostname} has no port {call.port}, and no rule takes the call; it has {ports}"
        )
    if pod and shared and (not address(call.host) or _let_through(grounds.config, listener, call.host)):
        raise ValueError(
            f"{call}: a pod is called at its own address, which only TCP ports of a Service without an address can be here: "
            "call the Service"
        )
    return listener


def _arrives(grounds: Grounds, service: Service, port: int) -> bool:
    """Whether a call that is let through finds the Service."""
    return any(each.service is service and each.port.number == port for each in grounds.unknown)


def _nothing_there(service: Service | None, call: Call) -> str:
    if service is None:
        return f"{call}: nothing listens there; a Sidecar would say so with an egress listener of this `bind`"
    return f"{call}: no instance stands behind {service.hostname}, so that its name has no address"


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
