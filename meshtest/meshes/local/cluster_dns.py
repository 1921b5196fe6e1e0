"""What a name stands for within the cluster, as the resolver of a pod finds it. Pure."""

from __future__ import annotations

from meshtest.resources.name import address
from meshtest.topology.instance import Instance
from meshtest.topology.service import DOMAIN, Service
from meshtest.topology.topology import Topology

_CLUSTER = DOMAIN.partition(".")[2]


def service_named(topology: Topology, host: str, namespace: str) -> Service | None:
    """The Service of a name (through the search domains of a pod in `namespace`), or of a cluster IP; None for any other host."""
    if address(host):
        return next((each for each in topology.services if each.address == host), None)
    for name in _searched(host, namespace):
        if found := topology.by_hostname.get(name):
            return found
    return None


def pod_named(topology: Topology, host: str, namespace: str) -> Instance | None:
    """The pod of a name such as `mysql-0.mysql`, behind a Service without an address; or of a pod's own address."""
    if address(host):
        return topology.by_address.get(host)
    for name in _searched(host, namespace):
        pod, _, rest = name.partition(".")
        service = topology.by_hostname.get(rest)
        if service is not None and not service.address:
            for each in topology.instances:
                if each.name == pod and each.namespace == service.namespace and service.selects(each.labels):
                    return each
    return None


def _searched(host: str, namespace: str) -> list[str]:
    name = host.lower().removesuffix(".")
    return [name, *(f"{name}.{suffix}" for suffix in (f"{namespace}.{DOMAIN}", DOMAIN, _CLUSTER))]
