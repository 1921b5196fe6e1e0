"""What does not exist of a destination, and the remedy."""

from __future__ import annotations

from meshtest.resources.resource import Resource
from meshtest.resources.schema import nearest
from meshtest.topology.service import Service
from meshtest.translate.host import resolved, within
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Snapshot


def missing(snapshot: Snapshot, config: ProxyConfig, cluster: str) -> str:
    """What is missing behind a cluster such as `outbound|9080|v1|reviews.default.svc.cluster.local`; empty if nothing is."""
    _, number, subset, host = cluster.split("|")
    if cluster in config.clusters:
        found = config.endpoints.get(cluster, {}).get("endpoints")
        return (
            "" if found or config.clusters[cluster]["type"] == "ORIGINAL_DST" else _no_endpoints(snapshot, subset, host)
        )
    services = [*snapshot.registry.by_host.get(host, {}).values()]
    if not services:
        known = {each.name: each.hostname for each in snapshot.registry.services}
        return f"there is no Service {host}{nearest(host.partition('.')[0], known)}: the workloads are given with --mesh-workloads"
    numbers = sorted({port.number for service in services for port in service.ports})
    if int(number) not in numbers:
        return f"the Service {host} has no port {number}; it has {', '.join(map(str, numbers))}"
    return _no_subset(snapshot, subset, host) if subset else f"the Service {host} is not visible to this proxy"


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


def _no_endpoints(snapshot: Snapshot, subset: str, host: str) -> str:
    for rule in _rules_for(snapshot, host) if subset else ():
        for index, each in enumerate(rule.spec.get("subsets", [])):
            if each["name"] == subset:
                wanted, where = dict(each.get("labels", {})), rule.where("spec", "subsets", index)
                have = _labels(snapshot, host)
                return f"no instance has the labels {wanted} of subset {subset!r} (at {where}); {have}"
    return f"no instance stands behind the Service {host}"


def _labels(snapshot: Snapshot, host: str) -> str:
    services: list[Service] = [*snapshot.registry.by_host.get(host, {}).values()]
    found = [
        dict(each.labels)
        for each in snapshot.topology.instances
        if any(service.namespace == each.namespace and service.selects(each.labels) for service in services)
    ]
    return f"instances of {host.partition('.')[0]} have {', '.join(map(str, found)) or 'none'}"
