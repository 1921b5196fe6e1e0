"""What a VirtualService may say, after Istio's CRD and its validation (`pkg/config/validation/virtualservice.go`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.export_to import EXPORT_TO, exported_once
from meshtest.resources.kinds.gateway_names import GATEWAY_NAMES
from meshtest.resources.kinds.http_route import HTTP_ROUTE
from meshtest.resources.kinds.tcp_route import TCP_ROUTE, TLS_ROUTE
from meshtest.resources.schema import TEXT, ListOf, Message, Report, Type

# Names that istiod gives to clusters behind a gateway that passes TLS on: outbound_.80_.subset_.reviews.default
_GENERATED = re.compile(r"outbound_[^_]*[0-9][^_]*_[^_]*_[^_]*[a-zA-Z][^_]*(?:_.*)?", re.DOTALL)


def _only_gateways(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("gateways")) and "mesh" not in spec["gateways"]


def _host(text: str, spec: Mapping[str, Any], sni: bool) -> str | None:
    if sni and text.startswith("outbound_") and _only_gateways(spec):
        return None if len(text) <= 255 and _GENERATED.fullmatch(text) else f"is no name of a cluster: {text!r}"
    return name.host_or_address(text)


def _host_names(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    sni = any(match["sniHosts"] for route in spec.get("tls", []) for match in route["match"])
    right = True
    for index, host in enumerate(spec.get("hosts", [])):
        wrong = _host(host, spec, sni)
        if host == "*" and not _only_gateways(spec):
            wrong = "the host * is not allowed on the mesh: bind it to gateways only, or name the hosts"
        if wrong:
            right = False
            report((*path, "hosts", index), wrong)
    if right:
        _hosts_apart(spec.get("hosts", []), (*path, "hosts"), report)


def _hosts_apart(hosts: list[str], path: Path, report: Report) -> None:
    """No host stands twice, or is covered by a wildcard beside it."""
    wildcards = {host for host in hosts if host.startswith("*")}
    seen: set[str] = set()
    for index, host in enumerate(hosts):
        rest = host.removeprefix("*")
        wider = ("*" + rest[begin:] for begin in range(len(rest) + 1))
        cover = host if host in seen else next((each for each in wider if each in wildcards and each != host), None)
        if cover:
            report((*path, index), f"{host!r} is covered by {cover!r} beside it: keep one of the two")
        seen.add(host)


def _delegate(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("hosts"):
        return
    for key in ("gateways", "tls", "tcp"):
        if spec.get(key):
            report(
                path if key == "gateways" else (*path, key),
                f"a VirtualService without hosts is a delegate, which must have no {key}: "
                f"name the hosts, or take the {key} away",
            )


def _some_rule(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.get(key) for key in ("http", "tcp", "tls")):
        report(path, "says nothing: give it `http`, `tcp` or `tls` rules")


def _actions(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for index, rule in enumerate(spec.get("http", [])):
        here = (*path, "http", index)
        if spec.get("hosts") and "delegate" in rule:
            for key in ("redirect", "route"):
                if key in rule:
                    report((*here, key), f"a rule cannot have both delegate and {key}: the delegate has the routes")
            continue
        if "delegate" in rule:
            report((*here, "delegate"), "a delegate (a VirtualService without hosts) cannot delegate further")
        for key, message in _conflicts(rule):
            report((*here, key) if key else here, message)


def _conflicts(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    answers = [key for key in ("redirect", "directResponse") if key in rule]
    actions = [*answers, "route"] if rule.get("route") else answers
    if not actions:
        yield "", "a rule needs a route, a redirect or a directResponse"
    if len(actions) > 1:
        yield actions[0], f"a rule cannot have both {actions[0]} and {actions[1]}: keep one"
    for other in ("fault", "rewrite"):
        if answers and other in rule:
            yield other, f"a rule with a {answers[0]} cannot have a {other}: no request is forwarded"
    if "mirror" in rule and rule.get("mirrors"):
        yield "mirrors", "'mirrors' and 'mirror' exclude each other: keep one"


def _claims(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if _only_gateways(spec):
        return
    for index, rule in enumerate(spec.get("http", [])):
        for at, match in enumerate(rule.get("match", [])):
            for field in ("headers", "withoutHeaders"):
                for key in filter(name.claim, match.get(field, {})):
                    report(
                        (*path, "http", index, "match", at, field, key),
                        "claims of a token can be matched at gateways only: bind it to gateways, without mesh",
                    )


def _sni_hosts(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    hosts = spec.get("hosts", [])
    for index, route in enumerate(spec.get("tls", [])):
        for at, match in enumerate(route["match"]):
            for place, sni in enumerate(match["sniHosts"]):
                wrong = _host(sni, spec, sni=True)
                if not wrong and not name.address(sni) and not any(_within(sni, host) for host in hosts):
                    wrong = f"{sni!r} is not covered by the hosts of the VirtualService: {', '.join(hosts)}"
                if wrong:
                    report((*path, "tls", index, "match", at, "sniHosts", place), wrong)


def _within(sni: str, host: str) -> bool:
    """Whether all names that `sni` stands for are covered by `host` (`SubsetOf` in `pkg/config/host/name.go`)."""
    if not host.startswith("*"):
        return sni == host
    return sni.removeprefix("*").endswith(host[1:]) and (not sni.startswith("*") or len(sni) >= len(host))


VIRTUAL_SERVICE: Type = Message(
    {
        "hosts": ListOf(TEXT),
        "gateways": GATEWAY_NAMES,
        "http": ListOf(HTTP_ROUTE),
        "tls": ListOf(TLS_ROUTE),
        "tcp": ListOf(TCP_ROUTE),
        "exportTo": EXPORT_TO,
    },
    rules=(_delegate, _host_names, _some_rule, _actions, _claims, _sni_hosts, exported_once),
)
