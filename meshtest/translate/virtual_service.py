"""VirtualServices with their names resolved: hosts, destinations, gateways, and who may see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology.service import exported
from meshtest.translate.host import resolved

MESH = "mesh"

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One entry of `http`, `tcp` or `tls` with full names, and where it stands: in a delegate perhaps.

    `root` is then the rule that leaves it to the delegate, and `pairs` say of which match of its own, and which of the root's, each of
    its matches is made (None where there was none).
    """

    spec: Spec
    resource: Resource
    section: str
    number: int
    root: Rule | None = None
    pairs: Sequence[tuple[int | None, int | None]] = ()

    @property
    def origin(self) -> dict[str, Any]:
        """What is noted in the configuration made of it."""
        return {"resource": str(self.resource), "rule": self.number, "where": self.where}

    @property
    def path(self) -> Path:
        """Where it stands in its resource."""
        return ("spec", self.section, self.number)

    @property
    def where(self) -> str:
        """File and line."""
        return self.resource.where(*self.path)


@dataclass(frozen=True)
class VirtualService:
    """`hosts` and `gateways` are full names; `http`, `tcp` and `tls` its rules, with full destination hosts and gateway names."""

    resource: Resource
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    exported_to: frozenset[str]
    http: Sequence[Rule]
    tcp: Sequence[Rule]
    tls: Sequence[Rule]
    made: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)  # routes, by where they stand

    def visible_in(self, namespace: str) -> bool:
        """Whether proxies of `namespace` see it."""
        return "*" in self.exported_to or namespace in self.exported_to

    def reach(self, namespace: str) -> int:
        """0 for those of `namespace` itself, 1 for those exported to it by name, 2 for public ones."""
        if "*" in self.exported_to:
            return 2
        return 0 if namespace == self.resource.namespace else 1

    def destinations(self, namespace: str) -> Mapping[str, frozenset[int]]:
        """The hosts to which rules send for callers in `namespace`, with the ports that are named, 0 where none is.

        After `virtualServiceDestinationsFilteredBySourceNamespace` in `push_context.go`.
        """
        out: dict[str, set[int]] = {}
        for rule in (*(each for each in self.http if _for_callers_in(namespace, each)), *self.tcp, *self.tls):
            for destination in _destinations(rule.spec):
                out.setdefault(destination["host"], set()).add(destination.get("port", {}).get("number", 0))
        return {host: frozenset(ports) for host, ports in out.items()}

    @cached_property
    def looks_at_labels(self) -> bool:
        """Whether a rule counts for some callers only, by their labels."""
        return any("sourceLabels" in match for each in self.rules for match in each.spec.get("match", []))

    @property
    def rules(self) -> Sequence[Rule]:
        """All its rules."""
        return (*self.http, *self.tcp, *self.tls)


def _for_callers_in(namespace: str, rule: Rule) -> bool:
    named = [match.get("sourceNamespace", "") for match in rule.spec.get("match", [])]
    return namespace in named or not any(named)


def _destinations(rule: Spec) -> Iterator[Spec]:
    yield from (each["destination"] for each in rule.get("route", []))
    yield from (each["destination"] for each in rule.get("mirrors", []))
    if "mirror" in rule:
        yield rule["mirror"]


def virtual_service(resource: Resource) -> VirtualService:
    """A VirtualService from its checked resource."""
    spec, namespace = resource.spec, resource.namespace
    http, tcp, tls = (
        [Rule(_rule(rule, namespace), resource, section, number) for number, rule in enumerate(spec.get(section, []))]
        for section in ("http", "tcp", "tls")
    )
    return VirtualService(
        resource,
        hosts=tuple(dict.fromkeys(resolved(host, namespace) for host in spec.get("hosts", []))),
        gateways=tuple(gateway_name(each, namespace) for each in spec.get("gateways") or [MESH]),
        exported_to=exported(spec.get("exportTo", []), namespace),
        http=http,
        tcp=tcp,
        tls=tls,
    )


def gateway_name(name: str, namespace: str) -> str:
    """`namespace/name` of a gateway named in a VirtualService of `namespace`; `mesh` stays. `name.namespace` is an old form."""
    if name == MESH or "/" in name:
        own, _, rest = name.rpartition("/")
        return f"{namespace}/{rest}" if own == "." else name
    short, dot, rest = name.partition(".")
    return f"{rest.partition('.')[0]}/{short}" if dot else f"{namespace}/{name}"


def _rule(rule: Spec, namespace: str) -> Spec:
    out = dict(rule)
    for key in ("route", "mirrors"):
        if key in rule:
            out[key] = [{**each, "destination": _destination(each["destination"], namespace)} for each in rule[key]]
    if "mirror" in rule:
        out["mirror"] = _destination(rule["mirror"], namespace)
    if "match" in rule:
        out["match"] = [_match(each, namespace) for each in rule["match"]]
    return out


def _destination(destination: Spec, namespace: str) -> Spec:
    return {**destination, "host": resolved(destination["host"], namespace)}


def _match(match: Spec, namespace: str) -> Spec:
    gateways = match.get("gateways")
    return {**match, "gateways": [gateway_name(each, namespace) for each in gateways]} if gateways else match
