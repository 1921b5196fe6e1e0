"""Where routes lead: the service, its port and its subset, and whether anything stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshtest.analysis.binding import Binding, bindings
from meshtest.analysis.catalogue import (
    DESTINATION_PORT_NEEDED,
    EMPTY_SUBSET,
    GATEWAY_DOES_NOT_LISTEN,
    PROTOCOL_OF_DESTINATION,
    UNKNOWN_DESTINATION,
    UNKNOWN_DESTINATION_PORT,
    UNKNOWN_SUBSET,
)
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.gateway import gateways
from meshtest.analysis.host import Host, listed
from meshtest.analysis.sentence import line, percent, short
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.translate.destination_rule import DestinationRule
from meshtest.translate.host import resolved
from meshtest.translate.virtual_service import MESH, Rule

Spec = Mapping[str, Any]


@dataclass(eq=False, slots=True)
class Target:
    """A destination of a rule; `share` is its part of the requests in per cent, 0 of one that gets none.

    `narrowed` is what the matches of the rule say of gateways and ports: destinations that differ in nothing else fare alike.
    """

    binding: Binding
    rule: Rule
    spec: Spec
    path: Path
    share: float
    narrowed: object
    mirror: bool = False

    @property
    def section(self) -> str:
        """The section of the rule: http, tls or tcp."""
        return self.rule.section

    @property
    def question(self) -> object:
        """What decides whether it is sound."""
        spec = self.spec
        port = spec["port"].get("number") if "port" in spec else None
        return (
            self.binding.place,
            spec["host"],
            spec.get("subset"),
            port,
            self.section,
            self.share > 0,
            self.narrowed,
            self.mirror,
        )

    @property
    def failing(self) -> str:
        """What becomes of its requests when nothing can take them."""
        if self.mirror:
            return "the mirrored copies are lost"
        if self.section != "http":
            return "the connections are closed"
        if not self.share:
            return "it fails as soon as it is given a weight"
        return "its requests get 503" if self.share >= 100 else f"{percent(self.share)} of the requests get 503"


def targets(world: World) -> list[Target]:
    """All destinations of all VirtualServices."""
    return world.once("targets", lambda: [each for binding in bindings(world) for each in _targets(binding)])


def _targets(binding: Binding) -> Iterator[Target]:
    for rule in binding.rules.rules:
        spec = rule.spec
        narrowed = _narrowed(spec["match"]) if "match" in spec else ()
        yield from _routes(binding, rule, narrowed)
        if "mirror" in spec:
            yield Target(binding, rule, spec["mirror"], (*rule.path, "mirror"), 100, narrowed, True)
        for index, each in enumerate(spec.get("mirrors", [])):
            path = (*rule.path, "mirrors", index, "destination")
            yield Target(binding, rule, each["destination"], path, 100, narrowed, True)


def _narrowed(matches: Sequence[Spec]) -> object:
    if not any("gateways" in match or "port" in match for match in matches):
        return ()
    return tuple((tuple(match.get("gateways", ())), match.get("port", 0)) for match in matches)


def _routes(binding: Binding, rule: Rule, narrowed: object) -> Iterator[Target]:
    routes = rule.spec.get("route", [])
    total = sum(each.get("weight", 0) for each in routes)
    for index, each in enumerate(routes):
        share = 100.0 if len(routes) == 1 else 100 * each.get("weight", 0) / (total or 1)
        path = (*rule.path, "route", index, "destination")
        yield Target(binding, rule, each["destination"], path, share, narrowed)


def check(world: World) -> Iterator[Finding]:
    """Destinations that do not exist, in the whole or in part."""
    sound: set[object] = set()
    told: dict[tuple[int, str], list[Finding]] = {}
    for target in targets(world):
        question = target.question
        if question not in sound:
            problems = [*_problems(world, target)]
            if not problems:
                sound.add(question)
            for problem in problems:
                told.setdefault((id(target.binding), problem.message), []).append(problem)
    for same in told.values():
        yield _once(same)


def _once(same: list[Finding]) -> Finding:
    """The first of findings that say the same of one VirtualService, with how many there are."""
    first, more = same[0], len(same) - 1
    if not more:
        return first
    places = "once more" if more == 1 else f"{more} times more"
    return replace(first, message=f"{first.message} (and {places} in this VirtualService)")


def _problems(world: World, target: Target) -> Iterator[Finding]:
    found = world.hosts.get(target.spec["host"])
    if found is None:
        yield from _unknown(world, target)
        return
    port = (target.spec.get("port") or {}).get("number")
    if port is None:
        yield from _without_port(target, found)
    elif found.ports and found.port(port) is None:
        message = (
            f"{found.short} has no port {port}, so that {target.failing}; it has {found.listed_ports}. "
            f"Write one of the ports of the service (not of its pods)"
        )
        yield UNKNOWN_DESTINATION_PORT.at(target.rule.resource, (*target.path, "port", "number"), message)
    else:
        yield from _protocol(world, target, found, port)
    if target.spec.get("subset"):
        yield from _subset(world, target, found)
    yield from _gateway(world, target, found, port)


def _protocol(world: World, target: Target, found: Host, number: int) -> Iterator[Finding]:
    """What the rule forwards against what the port takes, by its name and after what a DestinationRule makes of it."""
    port = found.port(number)
    if port is None or _gateway_pods(world, found):
        return
    path = (*target.path, "port", "number")
    at_gateways, callers = _namespaces(world, target)
    rules = [world.rule_for(found.name, namespace) for namespace in sorted(at_gateways | callers) or [found.namespace]]
    policies = [rule.policy_for(number, target.spec.get("subset", "")) if rule else {} for rule in rules]
    if (
        target.section == "tls"
        and port.protocol.http
        and not str(port.target).endswith("443")
        and not str(number).endswith("443")
    ):
        message = (
            f"TLS is passed on as it is, and port {number} of {found.short} speaks plain HTTP by its name "
            f"({port.name}), so that the handshake fails. "
            f"Let the Gateway decrypt (tls.mode SIMPLE, and `http` rules), or send to a port that speaks TLS"
        )
        yield PROTOCOL_OF_DESTINATION.at(target.rule.resource, path, message)
    modes = {policy.get("tls", {}).get("mode", "DISABLE") for policy in policies}
    if target.section == "http" and port.protocol.tls and not target.mirror and modes == {"DISABLE"}:
        message = (
            f"plain HTTP is sent to port {number} of {found.short}, which speaks {port.protocol.value}, so that {target.failing}. "
            f"Add a DestinationRule with tls.mode SIMPLE for this port, so that the proxy encrypts"
        )
        yield PROTOCOL_OF_DESTINATION.at(target.rule.resource, path, message)


def _gateway_pods(world: World, found: Host) -> list[Workload]:
    """The pods behind a Service of a gateway; none if they are not all known as gateways."""
    selector = found.resource.spec.get("selector") if not found.entry else None
    pods = world.workloads.select(selector, found.namespace) if selector else []
    return pods if all(pod.gateway and pod.known for pod in pods) else []


def _gateway(world: World, target: Target, found: Host, number: int | None) -> Iterator[Finding]:
    """A gateway's pods listen on what Gateways open, and on nothing else."""
    pods = _gateway_pods(world, found)
    if not pods or (number is None and len(found.ports) != 1):
        return
    port = found.port(number) if number is not None else found.ports[0]
    mine = {id(pod) for pod in pods}
    opened = {
        server.number
        for gateway in gateways(world).values()
        if any(id(pod) in mine for pod in gateway.workloads)
        for server in gateway.servers
    }
    if port and port.number not in opened and port.target not in opened and port.number not in (15021, 15090):
        has = f"; open are {listed([str(each) for each in sorted(opened)])}" if opened else ""
        message = (
            f"no Gateway opens port {port.number} at {found.short}, so that nothing listens there and {target.failing}{has}. "
            f"Add a Gateway with a server for this port"
        )
        yield GATEWAY_DOES_NOT_LISTEN.at(target.rule.resource, target.path, message)


def _unknown(world: World, target: Target) -> Iterator[Finding]:
    name, resource = target.spec["host"], target.rule.resource
    given = _written(resource, target.path)
    near = world.hosts.near(name)
    wide = world.hosts.covering(name)
    if wide is not None:
        remedy = f"the {wide.resource} covers it with {wide.name}, but a destination must be written as the service is: {wide.name}"
    elif near:
        hint = (
            near
            if "." in given or near.partition(".")[2] != f"{resource.namespace}.svc.cluster.local"
            else short(near).partition(".")[0]
        )
        expanded = " Only names without a dot are completed" if "." in given and near.startswith(f"{given}.") else ""
        remedy = f"did you mean {hint}?{expanded}"
    else:
        remedy = "name a service, or add a ServiceEntry for it"
        if world.assumed(target.rule.resource):
            remedy += "; say with --topology what exists, if it does (without it, Bookinfo)"
    meant = "" if given == name else f" ({name})"
    severity = INFO if world.assumed(target.rule.resource) and not near and not wide else ""
    message = f"{given}{meant} is no service of the mesh, so that {target.failing}; {remedy}"
    yield UNKNOWN_DESTINATION.at(resource, (*target.path, "host"), message, severity)


def _written(resource: Any, path: Path) -> str:
    value: Any = resource.body
    for key in (*path, "host"):
        value = value[key]
    return str(value)


def _without_port(target: Target, found: Host) -> Iterator[Finding]:
    """Where nothing is said istiod takes the only port, else the one that was called (`GetDestinationCluster` in `route/route.go`)."""
    called = _called_without(target, found)
    if called is None:
        return
    port, where = called
    message = (
        f"no port is given for {found.short}, so that {where} its port {port} is taken, which it does not have, and {target.failing}; "
        f"it has {found.listed_ports}. Write destination.port.number"
    )
    yield DESTINATION_PORT_NEEDED.at(target.rule.resource, target.path, message)


def _called_without(target: Target, found: Host) -> tuple[int, str] | None:
    """A port that is called here and that the host does not have."""
    if not found.ports or (found.entry and found.name.startswith("*")):
        return None
    ports = {port for match in target.rule.spec.get("match", []) if (port := match.get("port"))}
    if len(found.ports) > 1:
        for server in target.binding.servers:
            if found.port(server.number) is None and (not ports or server.number in ports):
                return server.number, f"at the Gateway {server.gateway}"
    if target.section != "http" and len(found.ports) == 1:
        return None
    # A sidecar knows, of the services, those that have the called port, and of these that port alone (`httproute.go`).
    for service in target.binding.services:
        for port in service.ports:
            if port.http and found.port(port.number) is None and (not ports or port.number in ports):
                return port.number, "inside the mesh"
    return None


def _subset(world: World, target: Target, found: Host) -> Iterator[Finding]:
    name = target.spec["subset"]
    at_gateways, callers = _namespaces(world, target)
    proxies = sorted(at_gateways | callers) or [found.namespace]
    rules = {namespace: world.rule_for(found.name, namespace) for namespace in proxies}
    defining = [rule for rule in rules.values() if rule and rule.subset(name)]
    path = (*target.path, "subset")
    if not defining:
        yield UNKNOWN_SUBSET.at(target.rule.resource, path, _undefined(world, target, found, [*rules.values()]))
        return
    blind = [namespace for namespace, rule in rules.items() if not rule or not rule.subset(name)]
    if at_gateways & set(blind):
        message = (
            f"the proxies of the Gateway run in {listed(sorted(at_gateways & set(blind)))}, where the "
            f"DestinationRule that defines {found.short} {name} is not visible, "
            f"so that {target.failing}. Widen its exportTo"
        )
        yield UNKNOWN_SUBSET.at(target.rule.resource, path, message)
    elif target.share and found.members is not None and (found.entry or world.pods_known):
        yield from _empty(target, found, defining[0], path)


def _namespaces(world: World, target: Target) -> tuple[frozenset[str], frozenset[str]]:
    """Where the proxies are that may send here: those of Gateways, and sidecars."""
    matches = target.rule.spec.get("match", [])
    named = (
        {name for match in matches for name in match.get("gateways", [])}
        if all(match.get("gateways") for match in matches)
        else set()
    )
    at_gateways = (each for each in target.binding.gateways if not named or each.name in named)
    callers = target.binding.callers(world) if not named or MESH in named else frozenset()
    return frozenset(namespace for each in at_gateways for namespace in each.namespaces), callers


def _undefined(world: World, target: Target, found: Host, rules: list[DestinationRule | None]) -> str:
    name = target.spec["subset"]
    begin = f"no DestinationRule that counts defines the subset {name} of {found.short}, so that {target.failing}"
    known = sorted({str(subset["name"]) for rule in rules if rule for subset in rule.subsets})
    elsewhere = [
        each
        for each in _defining(world, found.name)
        if any(one["name"] == name for one in each.spec.get("subsets", []))
    ]
    if elsewhere:
        return (
            f"{begin}; {elsewhere[0]} ({line(elsewhere[0], (), target.rule.resource)}) does, but is not looked at by "
            "the callers: put it into "
            f"the namespace {found.namespace} of the service, and do not narrow its exportTo"
        )
    if known:
        return f"{begin}; defined are {listed(known, 8)}"
    return f"{begin}. Add a DestinationRule for {found.short} with this subset, or take the subset away"


def _defining(world: World, name: str) -> list[Any]:
    by_host = world.once("destination rules by host", lambda: _rules_by_host(world))
    return by_host.get(name, [])


def _rules_by_host(world: World) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for each in world.networking("DestinationRule"):
        out.setdefault(resolved(each.spec["host"], each.namespace), []).append(each)
    return out


def _empty(target: Target, found: Host, rule: DestinationRule, path: Path) -> Iterator[Finding]:
    subset = rule.subset(target.spec["subset"]) or {}
    labels = subset.get("labels", {})
    if any(key.startswith("topology.") or "kubernetes.io/" in key for key in labels):
        return  # labels that istiod takes from the node
    if any(labels.items() <= each.items() for each in found.members or ()):
        return
    wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
    there = sorted({f"{key}={each[key]}" for each in found.members or () for key in labels if key in each})
    has = f"; there are {listed(there, 6)}" if there else ""
    what = "endpoint" if found.entry else "pod"
    if not found.members:
        message = f"{found.short} has no {what} at all, so that {target.failing} (UH)"
    else:
        message = f"no {what} of {found.short} has the labels of the subset {subset['name']} ({wanted}), so that {target.failing} (UH){has}"
    yield EMPTY_SUBSET.at(
        target.rule.resource, path, f"{message}. Send the traffic elsewhere, or deploy what is missing"
    )
