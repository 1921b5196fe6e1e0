"""Matches that no request fulfils, or other ones than the author thinks of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.binding import Binding, bindings
from meshtest.analysis.catalogue import (
    CASE_OF_REGEX,
    LABELS_BESIDE_GATEWAYS,
    MATCH_GATEWAY_UNBOUND,
    MATCH_IMPOSSIBLE,
    MATCH_NO_CALLER,
    MATCH_PORT_CLOSED,
    NOTHING_FOR_THE_REST,
    REGEX_MATCHES_WHOLE,
    WHOLE_COOKIE,
)
from meshtest.analysis.conjunction import Condition, Conjunction, Cover, conjunction
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import listed
from meshtest.analysis.pattern import EVERY, SET, pattern
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.translate.virtual_service import MESH, Rule

Spec = Mapping[str, Any]
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


def check(world: World) -> Iterator[Finding]:
    """Each match of each rule, and what is left for requests that none matches."""
    for binding in bindings(world):
        for rule in binding.rules.http:
            for index, match in enumerate(rule.spec.get("match", [])):
                if match:
                    yield from _match(world, binding, rule, match, (*rule.path, "match", index))
        for rule in (*binding.rules.tls, *binding.rules.tcp):
            for index, match in enumerate(rule.spec.get("match", [])):
                yield from _place(world, binding, rule, match, (*rule.path, "match", index))
        if binding.mesh_only and not binding.delegate:
            yield from _rest(world, binding)


def _match(world: World, binding: Binding, rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    yield from _place(world, binding, rule, match, path)
    if "uri" in match:
        yield from _uri(rule, match["uri"], (*path, "uri"))
    if match.get("ignoreUriCase") and "regex" in match.get("uri", {"regex": ""}):
        why = (
            "a regular expression is compared with case: begin it with (?i)"
            if "uri" in match
            else "there is no uri to compare"
        )
        yield CASE_OF_REGEX.at(rule.resource, (*path, "ignoreUriCase"), f"ignoreUriCase has no effect, since {why}")
    if "method" in match:
        yield from _method(rule, match["method"], (*path, "method"))
    if "authority" in match and binding.mesh_only:
        yield from _authority(binding, rule, match["authority"], (*path, "authority"))
    for field in ("headers", "withoutHeaders", "queryParams"):
        for name, value in match.get(field, {}).items():
            if value:
                yield from _value(rule, field, name, value, (*path, field, name))
    if "withoutHeaders" in match and "headers" in match:
        yield from _contradiction(rule, match, path)


def _place(world: World, binding: Binding, rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    if match.get("gateways"):
        yield from _gateways(binding, rule, match, path)
        if rule.section == "http" and (match.get("sourceLabels") or match.get("sourceNamespace")):
            field = "sourceLabels" if match.get("sourceLabels") else "sourceNamespace"
            message = (
                f"{field} is not looked at in a match that names gateways, so that the match applies to all callers there. "
                f"Take the gateways away, or {field}: a Gateway's callers are not known by their labels"
            )
            yield LABELS_BESIDE_GATEWAYS.at(rule.resource, (*path, field), message)
    if match.get("port"):
        yield from _port(binding, rule, match, path)
    if (match.get("sourceLabels") or match.get("sourceNamespace")) and not (
        match.get("gateways") and rule.section == "http"
    ):
        yield from _caller(world, binding, rule, match, path)


def _gateways(binding: Binding, rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    bound = (
        {name for root in binding.roots for name in root.rules.gateways} if binding.delegate else binding.rules.gateways
    )
    for index, name in enumerate(match["gateways"]):
        if bound and name not in bound:
            message = (
                f"the VirtualService is not bound to {name}, so that this match never applies there; "
                f"it is bound to {listed(sorted(bound))}. List it under spec.gateways, or take it away here"
            )
            yield MATCH_GATEWAY_UNBOUND.at(rule.resource, (*path, "gateways", index), message)


def _port(binding: Binding, rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    wanted = match.get("gateways")
    servers = [each for each in binding.servers if not wanted or each.gateway in wanted]
    mesh = binding.mesh and (not wanted or MESH in wanted)
    ports = {server.number for server in servers}
    names = list(dict.fromkeys(f"the Gateway {server.gateway}" for server in servers))
    if mesh:
        for service in binding.services:
            ports |= {port.number for port in service.ports}
            names.append(service.short)
        if not binding.services or any(not service.ports for service in binding.services):
            return  # a name that no service has may be called on any port
    if ports and match["port"] not in ports:
        have = "has" if len(names) == 1 else "have"
        message = (
            f"nothing is called on port {match['port']} here, so that this match never applies: {listed(names)} {have} "
            f"{listed([str(port) for port in sorted(ports)], 8)}. Write the port that callers use"
        )
        yield MATCH_PORT_CLOSED.at(rule.resource, (*path, "port"), message)


def _caller(world: World, binding: Binding, rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    labels, namespace = match.get("sourceLabels", {}), match.get("sourceNamespace", "")
    text = listed(
        [*(f"{key}={value}" for key, value in labels.items()), *([f"namespace {namespace}"] if namespace else [])]
    )
    at = (*path, "sourceLabels") if labels else (*path, "sourceNamespace")
    if not world.workloads.all or not (world.pods_known or not labels):
        return
    found = [each for each in world.workloads.select(labels) if namespace in ("", each.namespace)]
    bound = binding.mesh or binding.gateways
    callers = [each for each in found if not each.gateway]
    if not found or (binding.mesh_only and not callers):
        message = f"no workload is {text}, so that this match never applies. Write the labels and the namespace that the callers' pods have"
        yield MATCH_NO_CALLER.at(rule.resource, at, message, "" if world.certain(rule.resource, labels) else INFO)
    elif (
        bound
        and not binding.mesh
        and not any(each in found for gateway in binding.gateways for each in gateway.workloads)
    ) and all(gateway.workloads for gateway in binding.gateways):
        message = (
            f"at a Gateway the caller is the gateway's own pod, which is not {text}, so that this match never applies. "
            f"Match something that the request carries, such as a header or remote addresses by an AuthorizationPolicy"
        )
        yield MATCH_NO_CALLER.at(rule.resource, at, message)


def _uri(rule: Rule, uri: Spec, path: Path) -> Iterator[Finding]:
    for kind in ("exact", "prefix"):
        value = str(uri.get(kind, ""))
        if not value:
            continue
        at, problem = (*path, kind), ""
        if not value.startswith("/") and value != "*":
            problem = (
                f"each path begins with /, and {value} does not. Write /{value}"
                if "://" not in value
                else "a path has no scheme and host. Write the path only"
            )
        elif "?" in value:
            problem = "the part behind the ? is no part of the path. Match it with queryParams"
        elif "#" in value:
            problem = "browsers do not send what stands behind the #. Take it away"
        elif "*" in value:
            instead = f"prefix: {value.rstrip('*')}" if value.endswith("*") and value.count("*") == 1 else "a regex"
            problem = f"* is no wildcard here, but a plain character. Write {instead}"
        if problem:
            yield MATCH_IMPOSSIBLE.at(rule.resource, at, f"this match never applies: {problem}")
    if "regex" in uri:
        yield from _uri_regex(rule, str(uri["regex"]), (*path, "regex"))


_GLOB_END = re.compile(r"[A-Za-z0-9_)]?/\*$")
_PLAIN = re.compile(r"\^?/[A-Za-z0-9_/-]*")


def _uri_regex(rule: Rule, text: str, path: Path) -> Iterator[Finding]:
    bare = text.removeprefix("^")
    if _GLOB_END.search(text) and "(" not in text:
        stem = text[:-2].removeprefix("^")
        message = (
            f"/* repeats the slash, so that {stem}/more does not match: a regular expression must match the whole path. "
            f"Write prefix: {stem}/, or {stem}/.*"
        )
        yield REGEX_MATCHES_WHOLE.at(rule.resource, path, message)
    elif _PLAIN.fullmatch(text):
        message = (
            f"the expression must match the whole path, so that only {bare} does, and {bare.rstrip('/')}/more does not. "
            f"Write prefix: {bare}, or exact: {bare} if this is meant"
        )
        yield REGEX_MATCHES_WHOLE.at(rule.resource, path, message)
    elif bare and bare[0].isalnum() and not bare.startswith(".") and "|" not in bare:
        message = f"each path begins with /, and the expression must match the whole path, so that this match never applies. Write /{bare}"
        yield MATCH_IMPOSSIBLE.at(rule.resource, path, message)


def _method(rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    found = pattern(match)
    if found.kind == SET and (
        wrong := [each for each in sorted(found.values) if each.upper() in METHODS and each not in METHODS]
    ):
        kind = next(iter(match))
        message = f"methods are compared with case, so that {wrong[0]} matches no request. Write {wrong[0].upper()}"
        yield MATCH_IMPOSSIBLE.at(rule.resource, (*path, kind), message)
    elif found.kind == SET and "*" in found.values:
        message = (
            "* is no wildcard here, but a plain character: this match never applies. Take the method away to match each"
        )
        yield MATCH_IMPOSSIBLE.at(rule.resource, (*path, next(iter(match))), message)


def _authority(binding: Binding, rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    value = match.get("exact", "")
    ports = sorted({port.number for service in binding.services for port in service.ports if port.http})
    if (
        value
        and ":" not in value
        and ports
        and 80 not in ports
        and any(value in _names(service.name) for service in binding.services)
    ):
        message = (
            f"inside the mesh {value} is called as {value}:{ports[0]}, and the authority is compared with its port, "
            "so that this match never applies. "
            f"Write exact: {value}:{ports[0]}, or prefix: {value}"
        )
        yield MATCH_IMPOSSIBLE.at(rule.resource, (*path, "exact"), message)


def _names(hostname: str) -> tuple[str, ...]:
    parts = hostname.split(".")
    return (*tuple(".".join(parts[:length]) for length in (1, 2, 3)), hostname)


_SEARCHED = ("cookie", "user-agent")


def _value(rule: Rule, field: str, name: str, match: Spec, path: Path) -> Iterator[Finding]:
    kind, value = next(iter(match.items()))
    what = "header" if field != "queryParams" else "query parameter"
    effect = "this match always applies" if field == "withoutHeaders" else "this match never applies"
    if kind in ("exact", "prefix") and value == "*":
        message = f"* is no wildcard here, but a plain character, so that {effect}. Write {name}: {{}} to ask whether the {what} is there"
        yield MATCH_IMPOSSIBLE.at(rule.resource, (*path, kind), message)
    elif kind == "exact" and value.endswith("*") and len(value) > 1 and field != "withoutHeaders":
        message = f"* is no wildcard here, but a plain character. Write prefix: {value[:-1]}"
        yield MATCH_IMPOSSIBLE.at(
            rule.resource,
            (*path, kind),
            f"{effect}: {message}" if value.count("*") == 1 else f"{effect}: {message} or a regex",
        )
    elif kind == "regex" and name.lower() in _SEARCHED and what == "header":
        yield from _searched(rule, name, value, (*path, kind))
    elif kind == "exact" and name.lower() == "cookie" and what == "header":
        yield _cookie(rule, value, (*path, kind))


def _cookie(rule: Rule, value: str, path: Path) -> Finding:
    message = (
        f"a browser sends all cookies of a site in this one header, which is {value} only where there is no other cookie. "
        f"Write regex: '(.*; *)?{re.escape(value)}(;.*)?'"
    )
    return WHOLE_COOKIE.at(rule.resource, path, message)


def _searched(rule: Rule, name: str, text: str, path: Path) -> Iterator[Finding]:
    """Cookies and user agents are long; nobody means the whole of them by a word."""
    found = pattern({"regex": text})
    if found.kind == SET or re.fullmatch(r"\^?[A-Za-z0-9_=;. -]+\$?", text):
        inner = text.removeprefix("^").removesuffix("$")
        message = (
            f"the expression must match the whole of the header {name}, so that a request with more in it does not match. "
            f"Write .*{inner}.* to search for it"
        )
        yield REGEX_MATCHES_WHOLE.at(rule.resource, path, message)
    elif (
        name.lower() == "user-agent"
        and text.startswith(".*")
        and not text.endswith((".*", "$", ".+"))
        and "|" not in text
    ):
        message = (
            f"the expression must match the whole of the header {name}, and this one ends with what stands in its "
            f"middle. Write {text}.* to search for it"
        )
        yield REGEX_MATCHES_WHOLE.at(rule.resource, path, message)


def _contradiction(rule: Rule, match: Spec, path: Path) -> Iterator[Finding]:
    without = {name.lower(): (name, value) for name, value in match["withoutHeaders"].items()}
    for name, value in match["headers"].items():
        if name.lower() in without:
            own, other = without[name.lower()]
            if Condition("", pattern(other or {}), negated=True).excludes(Condition("", pattern(value or {}))):
                message = f"the header {name} is wanted and not wanted at once, so that this match never applies. Take one of the two away"
                yield MATCH_IMPOSSIBLE.at(rule.resource, (*path, "withoutHeaders", own), message)


def _rest(world: World, binding: Binding) -> Iterator[Finding]:
    """Whether a request to a service, which would have been served without the rules, may now match none of them."""
    rules = binding.rules.http
    ports = {str(port.number) for service in binding.services for port in service.ports if port.protocol.http}
    if not rules or not ports or any("delegate" in rule.spec for rule in rules):
        return
    found = [conjunction(match) for rule in rules for match in rule.spec.get("match") or [None]]
    # Callers for whom no rule is left do without the VirtualService; rules for single callers leave nothing to the others.
    general = [each for each in found if not any(_of_caller(one) for one in each.conditions)]
    served: set[str] = set()
    for each in general or found:
        rest = [one for one in each.conditions if one.subject not in ("port", "gateway") and not _of_caller(one)]
        if each.path == EVERY and not rest:
            wanted = [one.pattern.values for one in each.conditions if one.subject == "port"]
            served |= set(wanted[0]) if wanted else ports
    if ports <= served or _exhaustive(general or found):
        return
    names = listed([service.short for service in binding.services])
    message = (
        f"requests to {names} that match none of these rules get 404: without the VirtualService they were served. "
        f"End with a rule without match that sends them to {binding.services[0].short}"
    )
    yield NOTHING_FOR_THE_REST.at(binding.resource, ("spec", "http"), message)


def _of_caller(condition: Condition) -> bool:
    return condition.subject == "source namespace" or condition.subject.startswith("label ")


def _exhaustive(found: list[Conjunction]) -> bool:
    """Whether the matches together leave nothing, such as with a header and without it."""
    cover = Cover()
    for number, each in enumerate(found):
        cover.add(Conjunction(each.path, frozenset(one for one in each.conditions if one.subject != "gateway")), number)
    return cover.owners(conjunction(None)) is not None
