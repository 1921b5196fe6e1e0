"""Where a rule sends requests, and what of that does not exist. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from meshtest.meshes.protocol import Destination
from meshtest.resources.resource import Resource
from meshtest.resources.schema import nearest
from meshtest.topology.service import Resolution, Service
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
    known = snapshot.registry.by_host.get(host)
    if name in config.clusters:
        passed_on = config.clusters[name]["type"] == "ORIGINAL_DST"
        found = passed_on or config.endpoints.get(name, {}).get("endpoints")
        return (
            "" if found else _no_endpoints(snapshot, next(iter(known.values())) if known else None, port, subset, host)
        )
    if not known:
        near = {each.name: each.hostname for each in snapshot.topology.services}
        return (
            f"there is no Service {host}{nearest(host.partition('.')[0], near)}: the workloads are given with --mesh-workloads, "
            "and a ServiceEntry names a host outside"
        )
    service = next(iter(known.values()))
    if service.port(port) is None:
        ports = ", ".join(str(each.number) for each in service.ports)
        return f"the Service {host} has no port {port}; it has {ports}"
    if f"outbound|{port}||{host}" not in config.clusters:
        return f"{host} is hidden from this proxy: by the exportTo of its owner, or by a Sidecar"
    if service.resolution in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN) and _selects_none(
        snapshot, service, port, subset
    ):
        return _no_endpoints(snapshot, service, port, subset, host)  # such a subset has no cluster
    return _no_subset(snapshot, subset, host)


def _selects_none(snapshot: Snapshot, service: Service, port: int, subset: str) -> bool:
    """Whether the subset is defined, and no endpoint has its labels."""
    rules = [rule.spec.get("subsets", []) for rule in _rules_for(snapshot, service.hostname)]
    found = [each.get("labels", {}).items() for subsets in rules for each in subsets if each["name"] == subset]
    endpoints = snapshot.endpoints(service, port)
    return bool(found) and not any(labels <= each.labels.items() for labels in found for each in endpoints)


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


def _no_endpoints(snapshot: Snapshot, service: Service | None, port: int, subset: str, host: str) -> str:
    for rule in _rules_for(snapshot, host) if subset else ():
        for index, each in enumerate(rule.spec.get("subsets", [])):
            if each["name"] == subset:
                wanted, where = dict(each.get("labels", {})), rule.where("spec", "subsets", index)
                have = _labels(snapshot, service, port, host)
                return f"no instance has the labels {wanted} of subset {subset!r} (at {where}); {have}"
    if service and service.entry and service.resolution is Resolution.NONE:
        return f"a gateway has no original destination to go on to, as {host} wants (resolution NONE): use DNS"
    return f"no instance stands behind the Service {host}"


def _labels(snapshot: Snapshot, service: Service | None, port: int, host: str) -> str:
    if service is not None and service.entry:
        found = [dict(each.labels) for each in snapshot.endpoints(service, port)]
    else:
        found = [dict(each.labels) for each in snapshot.topology.instances if service and service.selects(each.labels)]
    return f"instances of {host.partition('.')[0]} have {', '.join(map(str, found)) or 'none'}"
