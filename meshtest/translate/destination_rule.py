"""DestinationRules: which one counts for a host and a proxy, and which policy for a port and a subset.

After `pilot/pkg/model/destination_rule.go`, `push_context.go` and `pilot/pkg/networking/util/util.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from meshtest.resources.resource import Resource
from meshtest.translate.host import most_specific, resolved, wildcard

Policy = Mapping[str, Any]

BLOCKS = ("connectionPool", "outlierDetection", "loadBalancer", "tls", "proxyProtocol", "retryBudget")


@dataclass(frozen=True)
class DestinationRule:
    """One rule, or several for one host merged: the first policy counts, subsets add up, the first of a name counts.

    `export_to` is as it is written, empty for all namespaces.
    """

    resource: Resource
    host: str
    export_to: frozenset[str]
    selector: Mapping[str, str] | None
    policy: Policy | None
    subsets: tuple[Mapping[str, Any], ...]

    def visible_in(self, namespace: str) -> bool:
        """Whether proxies of `namespace` see it."""
        own = "." in self.export_to and namespace == self.resource.namespace
        return not self.export_to or own or bool(self.export_to & {"*", namespace})

    @property
    def private(self) -> bool:
        """Whether only its own namespace sees it."""
        return self.export_to in ({"."}, {self.resource.namespace})

    def merged(self, other: DestinationRule) -> DestinationRule:
        """This rule with what only `other` says."""
        known = {subset["name"] for subset in self.subsets}
        added = tuple(subset for subset in other.subsets if subset["name"] not in known)
        return replace(
            self, policy=self.policy if self.policy is not None else other.policy, subsets=(*self.subsets, *added)
        )

    def subset(self, name: str) -> Mapping[str, Any] | None:
        """The subset of this name, if the rule defines it."""
        return next((subset for subset in self.subsets if subset["name"] == name), None)

    def policy_for(self, port: int, subset: str = "") -> Policy:
        """The policy for a port of the host, and for a subset of it if one is named."""
        own = self.subset(subset) if subset else None
        return merge(merge({}, self.policy, port), own.get("trafficPolicy") if own else None, port)


def policies(spec: Mapping[str, Any]) -> Iterator[Policy]:
    """All policies in the spec of a rule: its own, its subsets', and those for ports."""
    for each in (spec, *spec.get("subsets", [])):
        policy = each.get("trafficPolicy", {})
        yield from (policy, *policy.get("portLevelSettings", []))


def merge(base: Policy, over: Policy | None, port: int) -> Policy:
    """`over` replaces `base` block by block; its settings for `port` replace all of it, with nothing inherited.

    What a port cannot have (`retryBudget`) stays as it was in `base` then: after `MergeSubsetTrafficPolicy`.
    """
    if over is None:
        return base
    for setting in over.get("portLevelSettings", []):
        if setting["port"].get("number") == port:
            kept: dict[str, Any] = {block: base[block] for block in ("proxyProtocol", "retryBudget") if block in base}
            return {**kept, **{block: setting[block] for block in BLOCKS if block in setting}}
    return {**base, **{block: over[block] for block in BLOCKS if block in over}}


@dataclass(frozen=True)
class Index:
    """Rules by their host."""

    rules: dict[str, list[DestinationRule]] = field(default_factory=dict)
    wildcards: list[str] = field(default_factory=list)

    def of_host(self, host: str) -> list[DestinationRule]:
        """The rules for a host, to add to."""
        if host not in self.rules and wildcard(host):
            self.wildcards.append(host)
        return self.rules.setdefault(host, [])


_EMPTY = Index()


class DestinationRules:
    """All DestinationRules in force, looked up as istiod does: the caller's namespace, the host's, the root namespace."""

    def __init__(self, resources: Sequence[Resource], root_namespace: str) -> None:
        self.root = root_namespace
        self.own: dict[str, Index] = {}
        self.exported: dict[str, Index] = {}
        self.private_of_root = Index()
        for resource in resources:
            rule, namespace = _rule(resource), resource.namespace
            if rule.visible_in(namespace):
                _add(self.own.setdefault(namespace, Index()), rule)
            if not rule.private:
                _add(self.exported.setdefault(namespace, Index()), rule)
            elif namespace == root_namespace:
                _add(self.private_of_root, rule)

    def lookup(
        self, host: str, host_namespace: str, namespace: str, labels: Mapping[str, str] | None
    ) -> DestinationRule | None:
        """The rule for calls to `host` by a proxy of `namespace` with these labels; None for calls that come in: selectors do not count."""
        # What the root namespace says to all must not come before the rules beside the Service, though it is the gateways' own.
        nearest = self.private_of_root if namespace == self.root else self.own.get(namespace, _EMPTY)
        for index in (nearest, self.exported.get(host_namespace, _EMPTY), self.exported.get(self.root, _EMPTY)):
            if rules := _visible(index, host, namespace):
                return _selected(rules, namespace, labels)
        return None


def _rule(resource: Resource) -> DestinationRule:
    spec, namespace = resource.spec, resource.namespace
    selector = spec.get("workloadSelector")
    return DestinationRule(
        resource,
        host=resolved(spec["host"], namespace),
        # A rule for some workloads of its namespace is never seen outside it.
        export_to=frozenset({"."}) if selector is not None else frozenset(spec.get("exportTo", [])),
        selector=None if selector is None else selector.get("matchLabels", {}),
        policy=spec.get("trafficPolicy"),
        subsets=tuple(spec.get("subsets", [])),
    )


def _add(index: Index, rule: DestinationRule) -> None:
    """Merge the rule into those for its host that it can be merged with; else it stands beside them."""
    rules = index.of_host(rule.host)
    apart = True
    for number, known in enumerate(rules):
        same = rule.export_to == known.export_to
        apart = not same
        if not same and not (known.export_to and rule.export_to > known.export_to):
            continue
        if rule.selector is not None and known.selector is not None and rule.selector != known.selector:
            apart = True
            continue
        if (rule.selector is None) == (known.selector is None):
            apart = False
        rules[number] = known.merged(rule)
    if apart:
        rules.append(rule)


def _visible(index: Index, host: str, namespace: str) -> list[DestinationRule]:
    found = host if host in index.rules else most_specific(host, index.wildcards)
    return [rule for rule in index.rules[found] if rule.visible_in(namespace)] if found else []


def _selected(rules: list[DestinationRule], namespace: str, labels: Mapping[str, str] | None) -> DestinationRule | None:
    for rule in rules if labels is not None else ():
        if (
            rule.selector is not None
            and rule.resource.namespace == namespace
            and rule.selector.items() <= (labels or {}).items()
        ):
            return rule
    return next((rule for rule in reversed(rules) if rule.selector is None), None)
