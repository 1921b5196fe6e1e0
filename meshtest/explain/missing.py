"""What does not exist of a destination, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass

from meshtest.resources.resource import Resource
from meshtest.resources.schema import nearest
from meshtest.topology.service import Resolution, Service
from meshtest.translate.host import resolved, within
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Snapshot


def missing(snapshot: Snapshot, config: ProxyConfig, cluster: str) -> str:
    """What is missing behind a cluster such as `outbound|9080|v1|reviews.default.svc.cluster.local`; empty if nothing is."""
    _, port, subset, host = cluster.split("|")
    services = [*snapshot.registry.by_host.get(host, {}).values()]
    wanted = _Wanted(snapshot, services, int(port), subset, host)
    if cluster in config.clusters:
        passed_on = config.clusters[cluster]["type"] == "ORIGINAL_DST"
        return "" if passed_on or config.endpoints.get(cluster, {}).get("endpoints") else wanted.no_endpoints()
    if not services:
        return wanted.no_service()
    numbers = sorted({port.number for service in services for port in service.ports})
    if int(port) not in numbers:
        return f"the Service {host} has no port {port}; it has {', '.join(map(str, numbers))}"
    if f"outbound|{port}||{host}" not in config.clusters:
        return f"the Service {host} is hidden from this proxy: by the exportTo of its owner, or by a Sidecar"
    return wanted.no_endpoints() if wanted.selects_none() else wanted.no_subset()


@dataclass(frozen=True)
class _Wanted:
    """A destination that is not whole; `services` are those of the host, one a namespace."""

    snapshot: Snapshot
    services: list[Service]
    port: int
    subset: str
    host: str

    def no_service(self) -> str:
        known = {each.name: each.hostname for each in self.snapshot.registry.services}
        near = nearest(self.host.partition(".")[0], known)
        return (
            f"there is no Service {self.host}{near}: Services are given with --topology, to pytest with --mesh-workloads, "
            "and a ServiceEntry names a host outside"
        )

    def no_subset(self) -> str:
        known = {each["name"]: rule for rule in self._rules() for each in rule.spec.get("subsets", [])}
        what = f"subset {self.subset!r} of {self.host}"
        if self.subset in known:
            return (
                f"the {what} is defined (at {known[self.subset].where('spec', 'subsets')}) by a rule that does not count here: "
                "it must be in the namespace of the caller, of the Service, or the root namespace, and exported to the caller; "
                "the first of these that has a rule for the host decides"
            )
        if not known:
            return f"no DestinationRule in force defines subsets of {self.host}, so there is no subset {self.subset!r}: apply one"
        at = ", ".join(sorted({rule.where("spec", "subsets") for rule in known.values()}))
        return f"no {what} is defined (at {at}: {', '.join(known)}){nearest(self.subset, known)}"

    def no_endpoints(self) -> str:
        for rule, index, labels in self._subsets():
            where = rule.where("spec", "subsets", index)
            have = f"instances of {self.host.partition('.')[0]} have {', '.join(map(str, self._labels())) or 'none'}"
            return f"no instance has the labels {labels} of subset {self.subset!r} (at {where}); {have}"
        if any(each.resolution is Resolution.NONE for each in self.services if each.entry):
            return f"a gateway has no original destination to go on to, as {self.host} wants (resolution NONE): use DNS"
        return f"no instance stands behind the Service {self.host}"

    def selects_none(self) -> bool:
        """Whether the subset is defined, and no endpoint has its labels: then one of hosts found by DNS has no cluster."""
        if all(each.resolution not in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN) for each in self.services):
            return False
        found = [labels.items() for _, _, labels in self._subsets()]
        return bool(found) and not any(labels <= have.items() for labels in found for have in self._labels())

    def _rules(self) -> list[Resource]:
        """The DestinationRules whose host covers this one, whether they count or not."""
        rules = self.snapshot.of_kind("DestinationRule")
        return [rule for rule in rules if within(self.host, resolved(rule.spec["host"], rule.namespace))]

    def _subsets(self) -> list[tuple[Resource, int, dict[str, str]]]:
        """The definitions of the subset: rule, index, labels."""
        return [
            (rule, index, dict(each.get("labels", {})))
            for rule in self._rules()
            for index, each in enumerate(rule.spec.get("subsets", []))
            if self.subset and each["name"] == self.subset
        ]

    def _labels(self) -> list[dict[str, str]]:
        """The labels of all that is behind the host."""
        entries = [
            dict(each.labels)
            for service in self.services
            if service.entry
            for each in self.snapshot.endpoints(service, self.port)
        ]
        return entries + [
            dict(each.labels)
            for each in self.snapshot.topology.instances
            if any(
                not one.entry and one.namespace == each.namespace and one.selects(each.labels) for one in self.services
            )
        ]
