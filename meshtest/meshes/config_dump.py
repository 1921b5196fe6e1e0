"""What an Envoy says that it holds: its configuration by names, as it was sent. Pure."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

_BOOTSTRAP = ("xds-grpc", "sds-grpc")  # clusters that istiod did not send: itself, and the agent that hands out secrets


class Dump:
    """What an Envoy's `/config_dump?include_eds` (as JSON) says of dynamic resources."""

    def __init__(self, content: Json) -> None:
        self._parts = {part["@type"].rsplit(".", 1)[-1]: part for part in content["configs"]}

    def _listed(self, part: str, *names: str) -> list[Json]:
        return [each for name in names for each in self._parts.get(part, {}).get(name, [])]

    def configuration(self) -> dict[str, dict[str, Json]]:
        """What istiod sent last, also where a secret is still awaited, and listeners that Envoy refused."""
        listeners = {}
        for each in self._listed("ListenersConfigDump", "dynamic_listeners"):
            listener = each.get("error_state", {}).get("failed_configuration") or _taken(each)
            if listener:
                listeners[listener["name"]] = listener
        clusters = self._listed("ClustersConfigDump", "dynamic_active_clusters", "dynamic_warming_clusters")
        routes = self._listed("RoutesConfigDump", "dynamic_route_configs")
        endpoints = self._listed("EndpointsConfigDump", "static_endpoint_configs", "dynamic_endpoint_configs")
        return {
            "listeners": listeners,
            "routes": {each["route_config"]["name"]: _ordered(each["route_config"]) for each in routes},
            "clusters": {each["cluster"]["name"]: each["cluster"] for each in clusters},
            "endpoints": {
                each["endpoint_config"]["cluster_name"]: _in_order(each["endpoint_config"])
                for each in endpoints
                if each["endpoint_config"]["cluster_name"] not in _BOOTSTRAP
            },
        }

    def rejected(self) -> set[str]:
        """What Envoy says against listeners that it refused."""
        found = self._listed("ListenersConfigDump", "dynamic_listeners")
        return {str(each["error_state"].get("details")) for each in found if "error_state" in each}

    def incomplete(self) -> list[str]:
        """Names of routes and clusters that are still on their way."""
        have = self.configuration()["routes"]
        taken = [_taken(each) for each in self._listed("ListenersConfigDump", "dynamic_listeners")]
        waiting = [
            each["cluster"]["name"]
            for each in self._listed("ClustersConfigDump", "dynamic_warming_clusters")
            if "sds_config" not in json.dumps(each)
        ]
        return sorted(waiting + [name for name in _route_names(taken) if name not in have])


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
