"""AuthorizationPolicies: values that no request has, rules that say more or less than was meant.

After `pilot/pkg/security/authz/{model,matcher}`: strings are compared with case, `*` counts at the beginning or the end only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshtest.analysis import mutual_tls
from meshtest.analysis.catalogue import (
    ALLOW_NO_TCP,
    AUDIT_WITHOUT_RULES,
    DENY_ALL_TCP,
    DENY_BEATS_ALLOW,
    IDENTITY_WITHOUT_MTLS,
    METHOD_IMPOSSIBLE,
    POLICY_HOST,
    POLICY_PORT,
    PRINCIPAL_IMPOSSIBLE,
    RULE_SPLIT,
    UNKNOWN_SOURCE_NAMESPACE,
    VALUE_IMPOSSIBLE,
)
from meshtest.analysis.client_tls import target
from meshtest.analysis.finding import Finding
from meshtest.analysis.gateway import Gateway, gateways
from meshtest.analysis.host import Host, Port, listed
from meshtest.analysis.matching import METHODS
from meshtest.analysis.sentence import line
from meshtest.analysis.workload import Workload
from meshtest.analysis.world import World, selector_of
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology.protocol import Protocol
from meshtest.translate.host import matches

Spec = Mapping[str, Any]
_HTTP_OPERATION = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_HTTP_SOURCE = ("requestPrincipals", "notRequestPrincipals")
_IDENTITY = ("principals", "namespaces", "serviceAccounts", "trustDomains")


@dataclass(eq=False)
class Policy:
    """An AuthorizationPolicy and the workloads that it is for."""

    world: World
    resource: Resource

    @property
    def action(self) -> str:
        """What it does."""
        return str(self.resource.spec.get("action", "ALLOW"))

    @property
    def rules(self) -> list[Spec]:
        """Its rules."""
        return self.resource.spec.get("rules") or []

    @property
    def targeted(self) -> bool:
        """Whether it names its target, so that its workloads are not known here."""
        return bool(self.resource.spec.get("targetRefs") or self.resource.spec.get("targetRef"))

    @cached_property
    def workloads(self) -> list[Workload]:
        """What it is for."""
        return [] if self.targeted else self.world.selected(self.resource, selector_of(self.resource))

    @cached_property
    def ports(self) -> list[tuple[Workload, Host, Port]]:
        """The ports of the Services that its workloads stand behind, gateways left out."""
        return [
            (pod, host, port)
            for pod in self.workloads
            if not pod.gateway
            for host in self.world.services_of(pod)
            for port in host.ports
            if port.protocol is not Protocol.UDP
        ]

    def values(self, index: int) -> Iterator[tuple[str, str, Path]]:
        """Field, value and path of each text of a rule."""
        rule, path = self.rules[index], ("spec", "rules", index)
        for section, inner in (("from", "source"), ("to", "operation")):
            for number, entry in enumerate(rule.get(section) or []):
                for field, values in (entry.get(inner) or {}).items():
                    for place, value in enumerate(values if isinstance(values, list) else []):
                        yield field, str(value), (*path, section, number, inner, field, place)

    def conditions(self, index: int) -> Iterator[tuple[str, Spec, Path]]:
        """Key, condition and path of each `when`."""
        for number, condition in enumerate(self.rules[index].get("when") or []):
            yield str(condition.get("key", "")), condition, ("spec", "rules", index, "when", number)


def policies(world: World) -> list[Policy]:
    """All AuthorizationPolicies."""
    return world.once(
        "authorization policies", lambda: [Policy(world, each) for each in world.security("AuthorizationPolicy")]
    )


def check(world: World) -> Iterator[Finding]:
    """Each AuthorizationPolicy, and those that meet."""
    for policy in policies(world):
        if policy.action == "AUDIT" and not policy.rules:
            message = (
                "without rules nothing is audited: a policy matches what one of its rules matches. Write rules: [{}]"
            )
            yield AUDIT_WITHOUT_RULES.at(policy.resource, ("spec",), message)
        for index in range(len(policy.rules)):
            yield from _values(world, policy, index)
            yield from _tcp(policy, index)
            yield from _identity(world, policy, index)
        yield from _split(policy)
    yield from _beaten(world)


def _effect(policy: Policy, field: str) -> str:
    """What comes of a value that no request has."""
    if field.startswith("not"):
        return "so that it excludes nothing"
    if policy.action == "DENY":
        return "so that it denies nothing"
    return "so that it allows nobody" if policy.action == "ALLOW" else "so that it never applies"


def _values(world: World, policy: Policy, index: int) -> Iterator[Finding]:
    for field, value, path in policy.values(index):
        kind = field.removeprefix("not")
        kind = kind[:1].lower() + kind[1:]
        effect = _effect(policy, field)
        resource = policy.resource
        if kind == "methods":
            yield from _method(resource, value, path, effect)
        elif kind == "principals":
            yield from _principal(world, resource, value, path, effect)
        elif kind == "serviceAccounts":
            yield from _account(world, resource, value, path, effect)
        elif kind == "namespaces":
            yield from _namespace(world, resource, value, path, effect)
        elif kind == "paths":
            yield from _path(resource, value, path, effect)
        elif kind == "ports":
            yield from _port(world, policy, value, path, effect)
        elif kind == "hosts":
            yield from _host(world, policy, value, path, effect)
        if kind in ("principals", "requestPrincipals", "hosts", "methods"):
            yield from _star(resource, value, path, effect)
    for key, condition, path in policy.conditions(index):
        for field in ("values", "notValues"):
            for place, value in enumerate(condition.get(field) or []):
                if key == "source.principal":
                    yield from _principal(
                        world, policy.resource, str(value), (*path, field, place), _effect(policy, field)
                    )


def _method(resource: Resource, value: str, path: Path, effect: str) -> Iterator[Finding]:
    if value.upper() in METHODS and value not in METHODS:
        message = f"methods are compared with case, and {value} matches no request, {effect}. Write {value.upper()}"
        yield METHOD_IMPOSSIBLE.at(resource, path, message)


def _star(resource: Resource, value: str, path: Path, effect: str) -> Iterator[Finding]:
    if "*" in value[1:-1] or (len(value) > 1 and value[0] == value[-1] == "*"):
        message = (
            f"* is a wildcard at the beginning or at the end only; in {value} one is a plain character that must be "
            f"there, {effect}. Keep one of them"
        )
        yield VALUE_IMPOSSIBLE.at(resource, path, message)


def _path(resource: Resource, value: str, path: Path, effect: str) -> Iterator[Finding]:
    if "{" in value:
        return  # a template, which the API server looks at
    problem = ""
    if value.endswith(".*"):
        problem = f"this is no regular expression, so that it wants paths that begin with {value[:-1]}. Write {value[:-2].rstrip('/')}/*"
    elif value.endswith("/**"):
        problem = (
            f"the second * is a wildcard and the first is a plain character. Write {value[:-1]}, or {value[:-2]}{{**}}"
        )
    elif "*" in value[1:-1] or (len(value) > 1 and value[0] == value[-1] == "*"):
        problem = (
            f"* is a wildcard at the beginning or at the end only; in {value} one is a plain character. Write {{*}} "
            "for one part of a path"
        )
    elif not value.startswith(("/", "*")):
        problem = (
            f"each path begins with /, and {value} does not. Write "
            f"{'/' + value.lstrip('^') if not value.startswith('^/') else value[1:]}"
        )
    elif "?" in value or "#" in value:
        problem = "what stands behind ? or # is no part of the path. Write the path only"
    if problem:
        yield VALUE_IMPOSSIBLE.at(resource, path, f"no request has such a path, {effect}: {problem}")


def _principal(world: World, resource: Resource, value: str, path: Path, effect: str) -> Iterator[Finding]:
    if value.startswith("spiffe://"):
        message = (
            f"principals are written without their scheme, and this one matches nobody, {effect}. Write "
            f"{value.removeprefix('spiffe://')}"
        )
        yield PRINCIPAL_IMPOSSIBLE.at(resource, path, message)
        return
    if "*" in value:
        return
    parts = value.split("/")
    if len(parts) != 5 or (parts[1], parts[3]) != ("ns", "sa"):
        form = "cluster.local/ns/NAMESPACE/sa/SERVICE-ACCOUNT"
        message = f"no workload is called {value}, {effect}: a principal has the form {form}. Write it so"
        yield PRINCIPAL_IMPOSSIBLE.at(resource, path, message)
        return
    yield from _known_account(world, resource, parts[2], parts[4], path, effect)


def _account(world: World, resource: Resource, value: str, path: Path, effect: str) -> Iterator[Finding]:
    namespace, slash, name = value.rpartition("/")
    yield from _known_account(world, resource, namespace if slash else resource.namespace, name, path, effect)


def _known_account(
    world: World, resource: Resource, namespace: str, name: str, path: Path, effect: str
) -> Iterator[Finding]:
    """Only what is near a known one is called a mistake: callers may run outside of what is given here."""
    known = world.once("service accounts", lambda: _accounts(world))
    if name in known.get(namespace, ()):
        return
    near = difflib.get_close_matches(name, known.get(namespace, ()), n=1, cutoff=0.8)
    near = near or sorted(each for each in known.get(namespace, ()) if each.endswith(f"-{name}"))
    elsewhere = sorted(space for space, names in known.items() if name in names and name != "default")
    if near:
        message = f"no workload in {namespace} runs as {name}, {effect}; did you mean {near[0]}?"
    elif elsewhere and namespace not in known:
        message = f"no workload runs in {namespace}, {effect}; {name} is a service account in {listed(elsewhere)}: write ns/{elsewhere[0]}"
    else:
        return
    yield PRINCIPAL_IMPOSSIBLE.at(resource, path, message)


def _accounts(world: World) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {}
    for each in world.workloads.all:
        out.setdefault(each.namespace, set()).add(each.account)
    for given in world.objects_of("ServiceAccount"):
        out.setdefault(given.namespace, set()).add(given.name)
    return out


def _namespace(world: World, resource: Resource, value: str, path: Path, effect: str) -> Iterator[Finding]:
    if "*" in value or value in world.namespaces:
        return
    near = difflib.get_close_matches(value, world.namespaces, n=1, cutoff=0.75)
    if near or world.namespaces_listed:
        hint = f"did you mean {near[0]}?" if near else f"there are {listed(sorted(world.namespaces), 8)}"
        yield UNKNOWN_SOURCE_NAMESPACE.at(resource, path, f"there is no namespace {value}, {effect}; {hint}")


def _port(world: World, policy: Policy, value: str, path: Path, effect: str) -> Iterator[Finding]:
    """The port is compared with the one on which the pod listens (`destination_port` of Envoy's RBAC)."""
    if not value.isdigit() or not policy.workloads or any(not pod.known for pod in policy.workloads):
        return
    number = int(value)
    if all(pod.gateway for pod in policy.workloads):
        yield from _gateway_port(world, policy, number, path, effect)
        return
    listening = {target(pod, port) for pod, _, port in policy.ports} | {
        number for pod in policy.workloads for number in pod.numbers
    }
    services = {port.number: (host, target(pod, port)) for pod, host, port in policy.ports}
    if number in services and number not in listening:
        host, right = services[number]
        message = (
            f"{number} is the port of the Service {host.short}, and the pods listen on {right}, which is what counts "
            "here: this matches no request, "
            f"{effect}. Write {right}"
        )
        yield POLICY_PORT.at(policy.resource, path, message)


def _gateway_port(world: World, policy: Policy, number: int, path: Path, effect: str) -> Iterator[Finding]:
    opened: set[int] = set()
    for gateway in _gateways_of(world, policy):
        for pod in gateway.workloads:
            ports = {port.number: target(pod, port) for host in world.services_of(pod) for port in host.ports}
            opened |= {ports.get(server.number, server.number) for server in gateway.servers}
    if opened and number not in opened and number not in (15021, 15090):
        message = (
            f"no Gateway opens port {number} at these pods (open are "
            f"{listed([str(each) for each in sorted(opened)])}), {effect}. Write an open port of the pods"
        )
        yield POLICY_PORT.at(policy.resource, path, message)


def _gateways_of(world: World, policy: Policy) -> list[Gateway]:
    mine = {id(pod) for pod in policy.workloads}
    return [each for each in gateways(world).values() if any(id(pod) in mine for pod in each.workloads)]


def _host(world: World, policy: Policy, value: str, path: Path, effect: str) -> Iterator[Finding]:
    if not policy.workloads:
        return
    if all(pod.gateway for pod in policy.workloads):
        served = [
            host for gateway in _gateways_of(world, policy) for server in gateway.servers for host in server.names
        ]
        name = value.partition(":")[0].lower()
        if (
            served
            and name != "*"
            and not name.endswith("*")
            and not any(matches(name, host.lower()) for host in served)
        ):
            message = (
                f"no Gateway serves {value} at these pods (served are {listed(list(dict.fromkeys(served)))}), "
                f"{effect}. Write a host that is served"
            )
            yield POLICY_HOST.at(policy.resource, path, message)
        return
    if ":" in value or "*" in value:
        return
    for _, host, port in policy.ports:
        if value in _called(host) and port.number != 80 and not any(each.number == 80 for each in host.ports):
            siblings = _siblings(policy.resource, path)
            if not any(each.startswith(f"{value}:") for each in siblings):
                message = (
                    f"callers inside the mesh call {value}:{port.number}, and hosts are compared with their port, so "
                    f"that their requests do not match, {effect}. "
                    f"Write {value}:* beside it"
                )
                yield POLICY_HOST.at(policy.resource, path, message)
            return


def _siblings(resource: Resource, path: Path) -> list[str]:
    value: Any = resource.body
    for key in path[:-1]:
        value = value[key]
    return [str(each) for each in value]


def _called(host: Host) -> tuple[str, ...]:
    parts = host.name.split(".")
    return tuple(".".join(parts[:length]) for length in (1, 2, 3, len(parts)))


def _http_fields(rule: Spec) -> list[str]:
    """What a rule says of HTTP that no other connection has."""
    found = [
        field for entry in rule.get("to") or [] for field in entry.get("operation") or {} if field in _HTTP_OPERATION
    ]
    found += [field for entry in rule.get("from") or [] for field in entry.get("source") or {} if field in _HTTP_SOURCE]
    found += [key for each in rule.get("when") or [] if (key := str(each.get("key", ""))).startswith("request.")]
    return list(dict.fromkeys(found))


def _tcp(policy: Policy, index: int) -> Iterator[Finding]:
    """HTTP fields on ports that carry no HTTP: an ALLOW rule falls away, of a DENY rule the fields do."""
    rule, path = policy.rules[index], ("spec", "rules", index)
    fields = _http_fields(rule)
    if not fields or policy.action not in ("ALLOW", "DENY"):
        return
    named = {int(value) for field, value, _ in policy.values(index) if field == "ports" and value.isdigit()}
    ports = {
        (host.short, target(pod, port)): port
        for pod, host, port in policy.ports
        if not named or target(pod, port) in named
    }
    closed = {key: port for key, port in ports.items() if not port.http}
    if policy.action == "ALLOW":
        if closed and len(closed) == len(ports):
            text = listed([f"{number} of {name}" for name, number in sorted(closed)])
            message = (
                f"this rule never applies: port {text} carries no HTTP, and {listed(fields)} cannot be seen there. "
                "Use ports, principals, namespaces or ipBlocks"
            )
            yield ALLOW_NO_TCP.at(policy.resource, path, message)
        return
    if closed and not _other_fields(rule):
        name, number = sorted(closed)[0]
        open_ports = sorted({key[1] for key, port in ports.items() if port.protocol.http})
        instead = f'ports: ["{open_ports[0]}"]' if open_ports else "the ports that carry HTTP"
        message = (
            f"all connections to port {number} of {name} are denied: it carries no HTTP, where {listed(fields)} "
            "cannot be seen, and a DENY rule without them "
            f"denies everything. Add {instead} to the rule's operation"
        )
        yield DENY_ALL_TCP.at(policy.resource, path, message)


def _other_fields(rule: Spec) -> bool:
    """Whether something is left of a DENY rule that TCP connections have, other than the ports."""
    sources = [
        field for entry in rule.get("from") or [] for field in entry.get("source") or {} if field not in _HTTP_SOURCE
    ]
    others = [each for each in rule.get("when") or [] if not str(each.get("key", "")).startswith("request.")]
    whole = [entry for entry in rule.get("to") or [] if not set(entry.get("operation") or {}) & set(_HTTP_OPERATION)]
    return bool(sources or others or whole)


def _identity(world: World, policy: Policy, index: int) -> Iterator[Finding]:
    if not policy.ports:
        return
    found = next(((field, path) for field, _, path in policy.values(index) if field in _IDENTITY), None)
    if found is None:
        return
    modes = [mutual_tls.mode(world, pod, target(pod, port)) for pod, _, port in policy.ports]
    if all(each.name == mutual_tls.DISABLE for each in modes) and (said := modes[0].policy):
        message = (
            f"{said} ({line(said, ('spec',), policy.resource)}) switches mutual TLS off for these workloads, so that "
            f"callers have no identity, and {found[0]} "
            f"match nobody, {_effect(policy, found[0])}. Switch it on (PERMISSIVE or STRICT), or use ipBlocks"
        )
        yield IDENTITY_WITHOUT_MTLS.at(policy.resource, found[1][:-1], message)


def _split(policy: Policy) -> Iterator[Finding]:
    """A dash too many makes two rules of one."""
    if policy.action != "ALLOW":
        return
    for index, (one, other) in enumerate(zip(policy.rules, policy.rules[1:], strict=False)):
        if set(one) == {"from"} and set(other) in ({"to"}, {"to", "when"}):
            message = (
                f"this is a rule of its own beside the one at line {policy.resource.line('spec', 'rules', index)}, "
                "not a part of it: everybody may do what stands here, "
                f"and who is named there may do everything. Take the - before `to` away if both must hold"
            )
            yield RULE_SPLIT.at(policy.resource, ("spec", "rules", index + 1), message)


def _beaten(world: World) -> Iterator[Finding]:
    """A DENY policy without conditions comes before all that others allow."""
    denying = [
        policy
        for policy in policies(world)
        if policy.action == "DENY" and any(not rule for rule in policy.rules) and not policy.targeted
    ]
    for deny in denying:
        mine = {id(pod) for pod in deny.workloads}
        for policy in policies(world):
            theirs = {id(pod) for pod in policy.workloads}
            if policy.action == "ALLOW" and policy.rules and theirs and theirs <= mine:
                message = (
                    f"{deny.resource} ({line(deny.resource, (), policy.resource)}) denies everything for these "
                    "workloads, and DENY comes before ALLOW, so that this "
                    f"allows nobody. To deny what no policy allows, make that one an ALLOW policy without rules"
                )
                yield DENY_BEATS_ALLOW.at(policy.resource, ("spec",), message)
