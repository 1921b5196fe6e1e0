"""Where a rule sends requests, and what of that does not exist. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from meshtest.meshes.protocol import Destination
from meshtest.resources.resource import Resource
from meshtest.resources.schema import nearest
from meshtest.topology.topology import Topology
from meshtest.translate.host import resolved, within
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Snapshot


def destinations(snapshot: Snapshot, config: ProxyConfig, clusters: Mapping[str, int]) -> tuple[Destination, ...]:
    """The destinations behind weighted clusters such as `outbound|9080|v1|reviews.default.svc.cluster.local`."""
    total = sum(clusters.values()) or 1
    out = []
    for name, weight in clusters.items():
        _, port, subset, host = name.split("|")
        out.append(Destination(host, subset, weight / total, _missing(snapshot, config, name, int(port), subset, host)))
    return tuple(out)


def _missing(snapshot: Snapshot, config: ProxyConfig, name: str, port: int, subset: str, host: str) -> str:
    topology = snapshot.topology
    if name in config.clusters:
        return "" if config.endpoints.get(name, {}).get("endpoints") else _no_pods(snapshot, subset, host)
    service = topology.by_hostname.get(host)
    if service is None:
        known = {each.name: each.hostname for each in topology.services}
        return f"there is no Service {host}{nearest(host.partition('.')[0], known)}: the workloads are given with --mesh-workloads"
    if service.port(port) is None:
        ports = ", ".join(str(each.number) for each in service.ports)
        return f"the Service {host} has no port {port}; it has {ports}"
    return _no_subset(snapshot, subset, host)


def _rules_for(snapshot: Snapshot, host: str) -> list[Resource]:
    """The DestinationRules whose host covers this one, whether they count or not."""
    rules = snapshot.of_kind("DestinationRule")
    return [rule for rule in rules if within(host, resolved(rule.spec["host"], rule.namespace))]


def _no_subset(snapshot: Snapshot, subset: str, host: str) -> str:
    known = {each["name"]: rule for rule in _rules_for(snapshot, host) for each in rule.spec.get("subsets", [])}
    if subset in known:
        return (
            f"the subset {subset!r} of {host} is defined (at {known[subset].where('spec', 'subsets')}) by a rule that does not count here: "
            "it must be in the namespace of the caller, of the Service, or the root namespace, and exported to the caller; "
            "the first of these that has a rule for the host decides"
        )
    if not known:
        return f"no DestinationRule in force defines subsets of {host}, so there is no subset {subset!r}: apply one"
    at = ", ".join(sorted({rule.where("spec", "subsets") for rule in known.values()}))
    return f"no subset {subset!r} of {host} is defined (at {at}: {', '.join(known)}){nearest(subset, known)}"


def _no_pods(snapshot: Snapshot, subset: str, host: str) -> str:
    for rule in _rules_for(snapshot, host) if subset else ():
        for index, each in enumerate(rule.spec.get("subsets", [])):
            if each["name"] == subset:
                wanted, where = dict(each.get("labels", {})), rule.where("spec", "subsets", index)
                have = _labels(snapshot.topology, host)
                return f"no instance has the labels {wanted} of subset {subset!r} (at {where}); {have}"
    return f"no instance stands behind the Service {host}"


def _labels(topology: Topology, host: str) -> str:
    service = topology.by_hostname.get(host)
    found = [dict(each.labels) for each in topology.instances if service and service.selects(each.labels)]
    return f"instances of {host.partition('.')[0]} have {', '.join(map(str, found)) or 'none'}"
