"""A rule of an AuthorizationPolicy as a policy of Envoy's RBAC filters (`pilot/pkg/security/authz/model/model.go`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshtest.translate import rbac_permission, rbac_principal
from meshtest.translate.rbac_attribute import Attribute, Json, Unchecked
from meshtest.translate.trust_domain import expanded, with_aliases

NEVER: Json = {"permissions": [{"not_rule": {"any": True}}], "principals": [{"not_id": {"any": True}}]}


@dataclass(frozen=True)
class Place:
    """Where a rule counts: the namespace of its policy, the mesh's trust domain and its aliases, and the kind of filter."""

    namespace: str
    trust_domains: Sequence[str]
    tcp: bool


@dataclass(frozen=True)
class _Condition:
    key: str
    attribute: Attribute
    values: Sequence[str]
    not_values: Sequence[str]

    def changed(self, change: Callable[[Sequence[str]], Sequence[str]]) -> _Condition:
        return replace(self, values=change(self.values), not_values=change(self.not_values))

    def matching(self, negated: Callable[[Json], Json], tcp: bool) -> list[Json]:
        """What must hold, and what must not; Unchecked if the filters cannot tell."""
        out = [self.attribute.matching(self.key, self.values, tcp)] if self.values else []
        return [*out, negated(self.attribute.matching(self.key, self.not_values, tcp))] if self.not_values else out


def rbac_policy(rule: Mapping[str, Any], place: Place, widens: bool) -> Json | None:
    """The policy; None for a rule that allows by what these filters cannot check.

    Where the rule denies or audits (`widens`), such conditions are left out instead, so that it takes in more.
    """
    operations = [_fields(each["operation"], rbac_permission.OPERATION) for each in rule.get("to", [])]
    sources = [
        [_migrated(each, place, 1) for each in _fields(source["source"], rbac_principal.SOURCE)]
        for source in rule.get("from", [])
    ]
    asked, asking = [*_asked(rule)], [*_asking(rule)]
    # As often as there are sources: in istiod they share these conditions, and each changes them.
    asking = [_migrated(each, place, max(1, len(sources))) for each in asking]
    try:
        return {
            "permissions": [
                rbac_permission.every([*_holding([*each, *asked], place, widens, rbac_permission.negated)])
                for each in operations or [[]]
            ],
            "principals": [
                rbac_principal.every([*_holding([*each, *asking], place, widens, rbac_principal.negated)])
                for each in sources or [[]]
            ],
        }
    except Unchecked:
        return None


def _holding(
    conditions: Sequence[_Condition], place: Place, widens: bool, negated: Callable[[Json], Json]
) -> Iterator[Json]:
    for each in conditions:
        try:
            yield from each.matching(negated, place.tcp)
        except Unchecked:
            if not widens:
                raise


def _fields(given: Mapping[str, Any], known: Mapping[str, Attribute]) -> list[_Condition]:
    return [
        _Condition(field, known[field], given.get(field, []), given.get(f"not{field[0].upper()}{field[1:]}", []))
        for field in reversed([*known])
    ]


def _asked(rule: Mapping[str, Any]) -> Iterator[_Condition]:
    for each in rule.get("when", []):
        key = each["key"]
        attribute = rbac_permission.CONDITIONS.get(key)
        if attribute is None and key.startswith(rbac_permission.FILTER_METADATA_KEY):
            attribute = rbac_permission.FILTER_METADATA
        if attribute is not None:
            yield _condition(each, attribute)


def _asking(rule: Mapping[str, Any]) -> Iterator[_Condition]:
    for each in rule.get("when", []):
        key = each["key"]
        keyed = (found for start, found in rbac_principal.KEYED.items() if key.startswith(start))
        attribute = rbac_principal.CONDITIONS.get(key) or next(keyed, None)
        if attribute is not None:
            yield _condition(each, attribute)


def _condition(given: Mapping[str, Any], attribute: Attribute) -> _Condition:
    return _Condition(given["key"], attribute, given.get("values", []), given.get("notValues", []))


def _migrated(condition: _Condition, place: Place, times: int) -> _Condition:
    """With the aliases of the mesh's trust domain, and with full names of service accounts."""
    domains = place.trust_domains
    if condition.key in ("principals", "source.principal"):
        for _ in range(times):
            condition = condition.changed(lambda values: with_aliases(values, domains))
    elif condition.key in ("trustDomains", "source.trustDomain"):
        condition = condition.changed(lambda values: expanded(values, domains))
    elif condition.key in ("serviceAccounts", "source.serviceAccount"):
        condition = condition.changed(
            lambda values: [each if "/" in each else f"{place.namespace}/{each}" for each in values]
        )
    return condition
