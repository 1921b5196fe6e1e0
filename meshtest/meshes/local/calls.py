"""The calls that a stand-in makes by itself, and what of its sidecar's configuration they meet. Pure."""

from __future__ import annotations

from typing import Any

from meshtest.explain.decision import virtual_host_of
from meshtest.meshes.call import Call
from meshtest.meshes.local.cluster_dns import service_named
from meshtest.meshes.local.grounded_listener import cluster_names
from meshtest.meshes.stand_in import calls
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.translate.filter_chain import ANY_ADDRESS
from meshtest.translate.proxy_config import ProxyConfig


class Calls:
    """Those of one instance."""

    def __init__(self, topology: Topology, instance: Instance) -> None:
        self._authorities = calls(instance)
        self._topology, self._namespace = topology, instance.namespace
        self._last: tuple[ProxyConfig | None, list[Any]] = (None, [])  # the next one will be compared with it

    def meet_the_same(self, before: ProxyConfig, after: ProxyConfig) -> bool:
        """Whether nothing that they meet is different."""
        old = self._last[1] if self._last[0] is before else self._met(before)
        new = self._met(after)
        self._last = (after, new)
        return None not in new and old == new

    def _met(self, config: ProxyConfig) -> list[Any]:
        """For each call the listener, the virtual host, and the clusters that this may send to, with their endpoints.

        None where a call is for no virtual host, or goes on to where grounding says, which other things decide, too.
        """
        return [self._met_by(Call("http", each), config) for each in self._authorities]

    def _met_by(self, call: Call, config: ProxyConfig) -> Any:
        service = service_named(self._topology, call.host, self._namespace)
        places = (f"{service.address if service else ''}_{call.port}", f"{ANY_ADDRESS}_{call.port}")
        listener = next((each for each in places if each in config.listeners), "")
        found = virtual_host_of(config, listener, call.authority or "")
        clusters = {each: config.clusters.get(each) for each in cluster_names(found)}
        if found is None or any(each and each["type"] != "EDS" for each in clusters.values()):
            return None
        return config.listeners[listener], found, clusters, [config.endpoints.get(each) for each in clusters]
