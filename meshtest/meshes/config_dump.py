"""What an Envoy says that it holds: its configuration by names, as it was sent. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

Json = dict[str, Any]

_BOOTSTRAP = ("xds-grpc", "sds-grpc")  # clusters that istiod did not send: itself, and the agent that hands out secrets


KINDS = {
    "listeners": ("ListenersConfigDump", ("dynamic_listeners",)),
    "routes": ("RoutesConfigDump", ("dynamic_route_configs",)),
    "clusters": ("ClustersConfigDump", ("dynamic_active_clusters", "dynamic_warming_clusters")),
    "endpoints": ("EndpointsConfigDump", ("static_endpoint_configs", "dynamic_endpoint_configs")),
}
"""Where resources of a kind stand in a dump: the part, and its members."""


class Dump:
    """What an Envoy's `/config_dump?include_eds` (as JSON) says of dynamic resources."""

    def __init__(self, content: Json) -> None:
        self._parts = {part["@type"].rsplit(".", 1)[-1]: part for part in content["configs"]}

    @classmethod
    def asked(cls, kinds: Iterable[str], ask: Callable[[str], str]) -> Dump:
        """A dump of these `KINDS` alone; `ask` gets a path of the administration interface. All of a dump is several times as large."""
        parts = [
            {
                "@type": part,
                **{member: _listed_in(ask(f"/config_dump?include_eds&resource={member}")) for member in members},
            }
            for part, members in (KINDS[kind] for kind in kinds)
        ]
        return cls({"configs": parts})

    def _listed(self, kind: str) -> list[Json]:
        part, members = KINDS[kind]
        return self._members(part, *members)

    def _members(self, part: str, *members: str) -> list[Json]:
        return [each for member in members for each in self._parts.get(part, {}).get(member, [])]

    def configuration(self) -> dict[str, dict[str, Json]]:
        """What istiod sent last, also where a secret is still awaited, and listeners that Envoy refused."""
        listeners = {}
        for each in self._listed("listeners"):
            listener = each.get("error_state", {}).get("failed_configuration") or _taken(each)
            if listener:
                listeners[listener["name"]] = listener
        return {
            "listeners": listeners,
            "routes": {each["route_config"]["name"]: _ordered(each["route_config"]) for each in self._listed("routes")},
            "clusters": {each["cluster"]["name"]: each["cluster"] for each in self._listed("clusters")},
            "endpoints": {
                each["endpoint_config"]["cluster_name"]: _in_order(each["endpoint_config"])
                for each in self._listed("endpoints")
                if each["endpoint_config"]["cluster_name"] not in _BOOTSTRAP
            },
        }

    def warming(self) -> list[str]:
        """Names of listeners that wait for something, such as a certificate, before they take connections as they were told to."""
        return [each["name"] for each in self._listed("listeners") if "warming_state" in each]

    def rejected(self) -> set[str]:
        """What Envoy says against listeners that it refused."""
        found = self._listed("listeners")
        return {str(each["error_state"].get("details")) for each in found if "error_state" in each}

    def incomplete(self) -> list[str]:
        """Names of routes and clusters that are still on their way."""
        have = self.configuration()["routes"]
        taken = [_taken(each) for each in self._listed("listeners")]
        waiting = [
            each["cluster"]["name"]
            for each in self._members("ClustersConfigDump", "dynamic_warming_clusters")
            if "sds_config" not in json.dumps(each)
        ]
        return sorted(waiting + [name for name in _route_names(taken) if name not in have])


def _listed_in(answer: str) -> list[Json]:
    return list(json.loads(answer).get("configs", ()))


def _taken(listener: Json) -> Json | None:
    """The newest configuration of a listener that Envoy has not refused."""
    state: Json = listener.get("warming_state") or listener.get("active_state") or {}
    return state.get("listener")


def _ordered(routes: Json) -> Json:
    """Virtual hosts by name: Envoy looks them up by domain, and istiod walks over a map of Go."""
    return {**routes, "virtual_hosts": sorted(routes.get("virtual_hosts", []), key=lambda host: str(host["name"]))}


def _in_order(assignment: Json) -> Json:
    """Localities by name, and endpoints of each by address: istiod walks over maps of Go."""
    if "endpoints" not in assignment:
        return assignment
    groups = [
        {**group, "lb_endpoints": sorted(group.get("lb_endpoints", []), key=_text)} for group in assignment["endpoints"]
    ]
    return {**assignment, "endpoints": sorted(groups, key=lambda group: _text(group.get("locality")))}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _route_names(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["rds"]["route_config_name"]} if isinstance(value.get("rds"), dict) else set()
        return own.union(*(_route_names(each) for each in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(_route_names(each) for each in value))
    return set()
