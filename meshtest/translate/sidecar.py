"""The `hosts` of a Sidecar's egress listener: which Services and rules it lets through (`pilot/pkg/model/sidecar.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from meshtest.resources.resource import Resource
from meshtest.topology.service import Service
from meshtest.translate.host import matches, wildcard, within
from meshtest.translate.virtual_service import VirtualService


@dataclass
class _Hosts:
    """The hosts that a listener names for one namespace, and those that it excepts (`~namespace/host`)."""

    exact: set[str] = field(default_factory=set)
    wildcards: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def add(self, host: str) -> None:
        if wildcard(host):
            self.wildcards.append(host)
        else:
            self.exact.add(host)

    def excepts(self, host: str) -> bool:
        return any(within(host, each) for each in self.excluded)

    def has_service(self, host: str) -> bool:
        return host in self.exact or any(within(host, each) for each in self.wildcards)

    def has_rule_for(self, host: str) -> bool:
        """A rule counts if its host has any name in common with those that are let through."""
        if host in self.exact or any(matches(host, each) for each in self.wildcards):
            return True
        return wildcard(host) and any(matches(host, each) for each in self.exact)


class ImportedHosts:
    """`namespace/host` entries by namespace; `.` is the Sidecar's own, `*` any."""

    def __init__(self, entries: Iterable[str], namespace: str) -> None:
        self._namespace = namespace
        self._by_namespace: dict[str, _Hosts] = {}
        for entry in entries:
            space, _, host = entry.partition("/")
            excluded = space.startswith("~")
            space = space.removeprefix("~") or "*"
            hosts = self._by_namespace.setdefault(namespace if space == "." else space, _Hosts())
            if excluded:
                hosts.excluded.append(host)
            else:
                hosts.add(host)

    def _for(self, namespace: str) -> list[_Hosts]:
        return [self._by_namespace[each] for each in (namespace, "*") if each in self._by_namespace]

    def services(self, seen: Sequence[Service], port: int | None) -> list[Service]:
        """Those among `seen` that are let through, with only this port where one is given; of a name those of one namespace.

        The Sidecar's own namespace comes first, then Kubernetes' own Services, then the oldest (`selectServices`).
        """
        found = [own for each in seen if self._lets(each) and (own := with_port(each, port))]
        chosen: dict[str, Service] = {}
        for service in found:
            known = chosen.setdefault(service.hostname, service)
            if service.namespace == self._namespace or (
                known.entry and not service.entry and known.namespace != self._namespace
            ):
                chosen[service.hostname] = service
        return [each for each in found if each.namespace == chosen[each.hostname].namespace]

    def _lets(self, service: Service) -> bool:
        hosts = self._for(service.namespace)
        return not any(each.excepts(service.hostname) for each in hosts) and any(
            each.has_service(service.hostname) for each in hosts
        )

    def virtual_services(self, rules: Sequence[VirtualService]) -> list[VirtualService]:
        """The rules that count for what is let through (`SelectVirtualServices`)."""
        return [each for each in rules if self._lets_rule(each)]

    def _lets_rule(self, rule: VirtualService) -> bool:
        hosts = self._for(rule.resource.namespace)
        return any(
            not any(each.excepts(host) for each in hosts) and any(each.has_rule_for(host) for each in hosts)
            for host in rule.hosts
        )


def with_port(service: Service, number: int | None) -> Service | None:
    """The Service with this port alone; None if it has no such port. Without a number, the Service as it is."""
    if number is None:
        return service
    port = service.port(number)
    if port is None or len(service.ports) == 1:
        return service if port else None
    return replace(service, ports=(port,))


def selected(sidecars: Sequence[Resource], namespace: str, labels: Mapping[str, str], root: str) -> Resource | None:
    """The Sidecar for a workload: of its namespace the first whose selector fits, else the first without one; else the root's."""
    own = [each for each in sidecars if each.namespace == namespace]
    for each in own:
        selector = each.spec.get("workloadSelector")
        if selector is not None and selector.get("labels", {}).items() <= labels.items():
            return each
    for space in (namespace, root):
        found = [each for each in sidecars if each.namespace == space and "workloadSelector" not in each.spec]
        if found:
            return found[0]
    return None
