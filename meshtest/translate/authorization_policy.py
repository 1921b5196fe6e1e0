"""AuthorizationPolicies: which count for a workload, and the RBAC filters that they become.

After `pilot/pkg/model/{authorization,policyattachment}.go` and `pilot/pkg/security/authz/builder/builder.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

from meshtest.resources.annotations import dry_run
from meshtest.resources.resource import Resource
from meshtest.translate.rbac_rule import NEVER, Place, rbac_policy
from meshtest.translate.snapshot import Json, Proxy, Snapshot

_HTTP, _TCP = "envoy.filters.http.rbac", "envoy.filters.network.rbac"
_HTTP_KIND = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
_TCP_KIND = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"

# The filters stand in this order; each action is Envoy's for all its policies together, ALLOW being what Envoy's is when unset.
_ACTIONS = {"AUDIT": {"action": "LOG"}, "DENY": {"action": "DENY"}, "ALLOW": {}}


def policies(snapshot: Snapshot, proxy: Proxy) -> list[Resource]:
    """The policies for a workload: those of the root namespace and of its own whose selector fits, or that have none."""
    root = snapshot.topology.config.root_namespace
    found = snapshot.of_kind("AuthorizationPolicy")
    labels = snapshot.labels(proxy).items()
    return [
        each
        for namespace in dict.fromkeys((root, proxy.namespace))
        for each in found
        if each.namespace == namespace and each.spec.get("selector", {}).get("matchLabels", {}).items() <= labels
    ]


def http_filters(snapshot: Snapshot, proxy: Proxy) -> list[Json]:
    """The HTTP filters that ask the policies: they stand before all others."""
    return [
        {"name": _HTTP, "typed_config": {"@type": _HTTP_KIND, **rules}} for rules in _rules(snapshot, proxy, tcp=False)
    ]


def tcp_filters(snapshot: Snapshot, proxy: Proxy) -> list[Json]:
    """The network filters that ask the policies, where connections are carried as they are."""
    return [
        {"name": _TCP, "typed_config": {"@type": _TCP_KIND, **rules, "stat_prefix": "tcp."}}
        for rules in _rules(snapshot, proxy, tcp=True)
    ]


def _rules(snapshot: Snapshot, proxy: Proxy, tcp: bool) -> list[Json]:
    found = policies(snapshot, proxy)
    key = ("authorization", tcp, tuple(each.key for each in found))
    domains = snapshot.topology.config.trust_domains
    return snapshot.once(
        key,
        lambda: [
            _filter(action, own, domains, tcp)
            for action in _ACTIONS
            if (own := [each for each in found if each.spec.get("action", "ALLOW") == action])
        ],
    )


def _filter(action: str, found: Sequence[Resource], domains: Sequence[str], tcp: bool) -> Json:
    """The rules of all policies of an action: those in force, and apart those that are only tried."""
    tried = [each for each in found if dry_run(each)]
    enforced = [each for each in found if not dry_run(each)]
    out: Json = {"rules": _rbac(action, enforced, domains, tcp)} if enforced else {}
    if tried:
        out["shadow_rules"] = _rbac(action, tried, domains, tcp)
    denies = tried and action == "DENY"
    return {**out, "shadow_rules_stat_prefix": "istio_dry_run_deny_" if denies else "istio_dry_run_allow_"}


def _rbac(action: str, found: Sequence[Resource], domains: Sequence[str], tcp: bool) -> Json:
    made: Json = {}
    for policy in found:
        place = Place(policy.namespace, domains, tcp)
        for index, rule in enumerate(policy.spec.get("rules", [])):
            if rbac := rbac_policy(rule, place, widens=action != "ALLOW"):
                made[_name(policy, index)] = rbac
        if not policy.spec.get("rules"):
            made[_name(policy, 0)] = NEVER
    return {**_ACTIONS[action], **({"policies": made} if made else {})}


def _name(policy: Resource, rule: int) -> str:
    return f"ns[{policy.namespace}]-policy[{policy.name}]-rule[{rule}]"
