"""Whether two sets of resources make proxies do the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import gcd
from typing import Any

from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

_NOTES = frozenset({"stat_prefix", "alt_stat_name", "decorator"})
_NAMED_FOR_PEOPLE = frozenset({"virtual_hosts", "routes", "filter_chains"})
_UNORDERED = frozenset({"virtual_hosts", "domains", "filter_chains", "headers", "query_parameters"})


def equivalent(topology: Topology, before: Iterable[Resource], after: Iterable[Resource]) -> bool:
    """Whether every proxy is sent the same for both (Istio resources, checked as `check` does).

    Apart from names for people and statistics, the order of what has none (virtual hosts, filter chains, conditions, weighted
    destinations), weights in other numbers but the same proportions, and clusters that nothing leads to.
    """
    one, other = Snapshot(topology, tuple(before)), Snapshot(topology, tuple(after))
    ours, theirs = _Reading(), _Reading()
    return all(
        ours.read(translate(one, Proxy(each))) == theirs.read(translate(other, Proxy(each)))
        for each in topology.instances
    )


class _Reading:
    """What configurations of one snapshot mean; what proxies share is read once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}

    def read(self, config: ProxyConfig) -> Json:
        """A configuration in the form in which equal ones are the same."""
        routes = {name: self._once(each) for name, each in config.routes.items()}
        listeners = {name: _with_routes(self._once(each), routes) for name, each in config.listeners.items()}
        reached = _reached(config.clusters, listeners)
        return {
            "listeners": listeners,
            "clusters": {name: self._once(config.clusters[name]) for name in reached},
            "endpoints": {name: self._once(config.endpoints[name]) for name in reached if name in config.endpoints},
        }

    def _once(self, value: Any) -> Any:
        if id(value) not in self._known:
            self._known[id(value)] = (value, _meaning(value, ""))  # holds on to it, so that no other takes its id
        return self._known[id(value)][1]


def _with_routes(value: Any, routes: Mapping[str, Any]) -> Any:
    """A listener with its routes inside it, so that the names of route configurations do not count."""
    if isinstance(value, dict):
        if "rds" in value:
            name = value["rds"].get("route_config_name")
            value = {**{key: item for key, item in value.items() if key != "rds"}, "routes": routes.get(name)}
        return {key: item if key == "routes" else _with_routes(item, routes) for key, item in value.items()}
    return [_with_routes(item, routes) for item in value] if isinstance(value, list) else value


def _reached(clusters: Mapping[str, Json], listeners: Json) -> list[str]:
    """The clusters whose names stand in listeners or routes; all of them where a name comes with the connection."""
    texts = set(_texts(listeners))
    everything = any("sni_cluster" in text for text in texts)
    return sorted(name for name in clusters if everything or name in texts)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(each)


def _meaning(value: Any, field: str) -> Any:
    """A value without what does not count; `field` is the one it stands under."""
    if isinstance(value, dict):
        return _SPECIAL.get(field, _same)(
            {key: _meaning(item, key) for key, item in value.items() if key not in _NOTES}
        )
    if isinstance(value, list):
        items = [_meaning(item, field) for item in value]
        if field in _NAMED_FOR_PEOPLE:
            items = [{key: each for key, each in item.items() if key != "name"} for item in items]
        return sorted(items, key=_text) if field in _UNORDERED else items
    return value


def _same(value: Json) -> Json:
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _weighted(value: Json) -> Json:
    """Weights as small as their proportions allow; their order does not count."""
    clusters = value.get("clusters", [])
    common = gcd(*(each.get("weight", 0) for each in clusters)) or 1
    scaled = [{**each, "weight": each.get("weight", 0) // common} for each in clusters]
    return {
        **{key: item for key, item in value.items() if key != "total_weight"},
        "clusters": sorted(scaled, key=_text),
    }


def _without_origin(value: Json) -> Json:
    """Metadata without where a rule came from."""
    return {key: item for key, item in value.items() if key not in ("istio", "meshtest")}


_SPECIAL: Mapping[str, Callable[[Json], Json]] = {
    "weighted_clusters": _weighted,
    "filter_metadata": _without_origin,
}
