"""VirtualServices with their names resolved: hosts, destinations, gateways, and who may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.resources.resource import Resource
from meshtest.translate.host import resolved

MESH = "mesh"


@dataclass(frozen=True)
class VirtualService:
    """`hosts` and `gateways` are full names; `rules` are the `http` entries with full destination hosts and gateway names."""

    resource: Resource
    hosts: tuple[str, ...]
    gateways: frozenset[str]
    export_to: frozenset[str]
    rules: Sequence[Mapping[str, Any]]

    def visible_in(self, namespace: str) -> bool:
        """Whether proxies of `namespace` see it."""
        return "*" in self.export_to or namespace in self.export_to

    def reach(self, namespace: str) -> int:
        """0 for those of `namespace` itself, 1 for those exported to it by name, 2 for public ones."""
        if "*" in self.export_to:
            return 2
        return 0 if namespace == self.resource.namespace else 1


def virtual_service(resource: Resource) -> VirtualService:
    """A VirtualService from its checked resource."""
    spec, namespace = resource.spec, resource.namespace
    return VirtualService(
        resource,
        hosts=tuple(dict.fromkeys(resolved(host, namespace) for host in spec.get("hosts", []))),
        gateways=frozenset(gateway_name(each, namespace) for each in spec.get("gateways") or [MESH]),
        export_to=exported(spec.get("exportTo"), namespace),
        rules=[_rule(rule, namespace) for rule in spec.get("http", [])],
    )


def gateway_name(name: str, namespace: str) -> str:
    """`namespace/name` of a gateway named in a VirtualService of `namespace`; `mesh` stays. `name.namespace` is an old form."""
    if name == MESH or "/" in name:
        own, _, rest = name.rpartition("/")
        return f"{namespace}/{rest}" if own == "." else name
    short, dot, rest = name.partition(".")
    return f"{rest.partition('.')[0]}/{short}" if dot else f"{namespace}/{name}"


def exported(names: Sequence[str] | None, namespace: str) -> frozenset[str]:
    """The namespaces that `exportTo` names, `*` for all; nothing given means all."""
    return frozenset(namespace if name == "." else name for name in names or ["*"])


def _rule(rule: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    out = dict(rule)
    for key in ("route", "mirrors"):
        if key in rule:
            out[key] = [{**each, "destination": _destination(each["destination"], namespace)} for each in rule[key]]
    if "mirror" in rule:
        out["mirror"] = _destination(rule["mirror"], namespace)
    if "match" in rule:
        out["match"] = [_match(each, namespace) for each in rule["match"]]
    return out


def _destination(destination: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    return {**destination, "host": resolved(destination["host"], namespace)}


def _match(match: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    gateways = match.get("gateways")
    return {**match, "gateways": [gateway_name(each, namespace) for each in gateways]} if gateways else match
