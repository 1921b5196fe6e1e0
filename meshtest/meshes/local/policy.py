"""Authorization on loopback: RBAC filters that ask for addresses and ports of the cluster, asking for those that stand for them here.

The address and port that a caller asked for are known, since each stands in a listener of its own. Callers come from their
instance's address on loopback; so a range of pod addresses is those of the instances in it, and whatever else lies in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

from meshtest.meshes.local.site import Address, Sites

Json = dict[str, Any]

_ALWAYS: Json = {"any": True}
_LOOPBACK = IPv4Network("127.0.0.0/8")
_FILTERS = ("envoy.filters.http.rbac", "envoy.filters.network.rbac")


@dataclass(frozen=True)
class Policies:
    """What filter chains ask where they stand for `called`, the address and port in the cluster."""

    called: Address
    sites: Sites

    def grounded(self, chain: Json) -> Json:
        """The filter chain with its policies on loopback; itself if it has none."""
        filters = [self._network_filter(each) for each in chain["filters"]]
        changed = any(new is not old for new, old in zip(filters, chain["filters"], strict=True))
        return {**chain, "filters": filters} if changed else chain

    def _network_filter(self, given: Json) -> Json:
        if given["name"] in _FILTERS:
            return self._rbac(given)
        config = given["typed_config"]
        if not any(each["name"] in _FILTERS for each in config.get("http_filters", ())):
            return given
        within = [self._rbac(each) if each["name"] in _FILTERS else each for each in config["http_filters"]]
        return {**given, "typed_config": {**config, "http_filters": within}}

    def _rbac(self, given: Json) -> Json:
        config = given["typed_config"]
        rules = {key: self._rules(config[key]) for key in ("rules", "shadow_rules") if key in config}
        return {**given, "typed_config": {**config, **rules}}

    def _rules(self, rules: Json) -> Json:
        if "policies" not in rules:
            return rules
        policies = {
            name: {key: [self._rule(each) for each in policy[key]] for key in ("permissions", "principals")}
            for name, policy in rules["policies"].items()
        }
        return {**rules, "policies": policies}

    def _rule(self, rule: Json) -> Json:
        ((kind, value),) = rule.items()
        if kind in ("not_rule", "not_id"):
            return {kind: self._rule(value)}
        if kind in ("and_rules", "or_rules", "and_ids", "or_ids"):
            ((members, listed),) = value.items()
            return {kind: {members: [self._rule(each) for each in listed]}}
        if kind == "destination_port":
            return _decided(value == self.called[1])
        if kind == "destination_ip":
            return _decided(ip_address(self.called[0]) in _network(value))
        if kind in ("direct_remote_ip", "remote_ip"):
            return self._from(kind, value)
        return rule

    def _from(self, kind: str, given: Mapping[str, Any]) -> Json:
        """Callers of a range: those whose instances lie in it, and others whose own address does."""
        network = _network(given)
        sites = self.sites.by_address.values()
        inside = [each.address for each in sites if ip_address(each.instance.address) in network]
        outside = [each.address for each in sites if ip_address(each.instance.address) not in network]
        others: Json = {kind: dict(given)}
        if outside and isinstance(network, IPv4Network) and network.overlaps(_LOOPBACK):
            others = {"and_ids": {"ids": [others, {"not_id": _one_of(kind, outside)}]}}
        return {"or_ids": {"ids": [others, _one_of(kind, inside)]}} if inside else others


def _decided(holds: bool) -> Json:
    return _ALWAYS if holds else {"not_rule": _ALWAYS}


def _network(given: Mapping[str, Any]) -> Any:
    return ip_network(f"{given['address_prefix']}/{given['prefix_len']}", strict=False)


def _one_of(kind: str, addresses: list[str]) -> Json:
    return {"or_ids": {"ids": [{kind: {"address_prefix": each, "prefix_len": 32}} for each in addresses]}}
