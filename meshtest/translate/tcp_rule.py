"""`tcp` and `tls` rules of VirtualServices at a sidecar's outbound listeners (`pilot/pkg/networking/core/tls.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshtest.topology.service import Port, Service
from meshtest.translate.cluster_name import outbound_name
from meshtest.translate.filter_chain import ANY_ADDRESS, Chain
from meshtest.translate.host import matches
from meshtest.translate.network_filter import to_cluster, to_routes
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_service import MESH, Rule, Spec, VirtualService


@dataclass(frozen=True)
class Destination:
    """A Service, as connections to one listener find it: `bind` is the listener's address, `ranges` the Service's, if it has one."""

    snapshot: Snapshot
    proxy: Proxy
    service: Service
    port: Port
    bind: str
    ranges: Sequence[str]

    def filters(self, rule: Rule, owner: VirtualService) -> list[Json]:
        """The filters for a rule's destinations."""
        resource = owner.resource
        name = f"{resource.name}.{resource.namespace}"
        routes = rule.spec["route"]
        return to_routes(self.snapshot, self.proxy, routes, self.port.number, self.port.protocol, name)

    def own_filters(self) -> list[Json]:
        """The filters where no rule says otherwise. A listener's port that the Service has not leads to its only one."""
        ports = self.service.ports
        number = ports[0].number if len(ports) == 1 else self.port.number
        rule = self.snapshot.rule(self.proxy, self.service.hostname)
        return to_cluster(outbound_name(number, "", self.service.hostname), self.port.protocol, rule)


def chains(destination: Destination, rules: Sequence[VirtualService]) -> list[Chain]:
    """The filter chains for connections to a Service: by its rules, then its own."""
    own = [each for each in rules if any(matches(host, destination.service.hostname) for host in each.hosts)]
    return _tls_chains(destination, own) if destination.port.protocol.tls else _tcp_chains(destination, own)


def _tls_chains(destination: Destination, rules: Sequence[VirtualService]) -> list[Chain]:
    out: list[Chain] = []
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    ranges = destination.ranges
    for owner in rules:
        for rule in owner.tls:
            for number, match in enumerate(rule.spec.get("match", []) if rule.spec.get("route") else ()):
                if not _applies(destination, match):
                    continue
                # Once a match has named subnets, they count for those behind it too, as in istiod.
                ranges = match.get("destinationSubnets") or ranges
                names = match.get("sniHosts", [])
                key = (tuple(names), tuple(match.get("destinationSubnets", [])))
                if key not in seen:
                    seen.add(key)
                    out.append(
                        Chain(destination.filters(rule, owner), names, ranges, origin={**rule.origin, "match": number})
                    )
    return out or [Chain(destination.own_filters(), _server_names(destination), destination.ranges)]


def _server_names(destination: Destination) -> list[str]:
    """The Service's own name, where the address does not tell it."""
    service = destination.service
    anywhere = service.address in ("", ANY_ADDRESS) and destination.bind == ANY_ADDRESS
    return [service.hostname] if destination.ranges or anywhere else []


def _tcp_chains(destination: Destination, rules: Sequence[VirtualService]) -> list[Chain]:
    out: list[Chain] = []
    own = Chain(destination.own_filters(), destinations=destination.ranges)
    for owner in rules:
        for rule in owner.tcp:
            if not rule.spec.get("route"):
                continue
            found = [*_subnets(destination, rule.spec)]
            if not all(found):  # a match without subnets, or no match at all: the rule takes whatever is left
                whatever = Chain(destination.filters(rule, owner), destinations=destination.ranges, origin=rule.origin)
                return [*out, whatever]
            if subnets := [each for subnets in found for each in subnets]:
                out.append(Chain(destination.filters(rule, owner), destinations=subnets, origin=rule.origin))
    taken = any(sorted(each.destinations) == sorted(destination.ranges) for each in out)
    return out if taken else [*out, own]


def _subnets(destination: Destination, rule: Spec) -> Iterator[Sequence[str]]:
    """The subnets of each match that applies here; an empty list for a match of all."""
    if not rule.get("match"):
        yield ()
    for match in rule.get("match", []):
        if _applies(destination, match):
            yield match.get("destinationSubnets", ())


def _applies(destination: Destination, match: Spec) -> bool:
    """Evaluates what never reaches Envoy: port, gateways, source labels and source namespace."""
    proxy = destination.proxy
    labels = match.get("sourceLabels", {}).items()
    return (
        MESH in (match.get("gateways") or [MESH])
        and match.get("port", 0) in (0, destination.port.number)
        and match.get("sourceNamespace", "") in ("", proxy.namespace)
        and (not labels or labels <= destination.snapshot.labels(proxy).items())
    )
