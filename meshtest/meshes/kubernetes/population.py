"""Who is in the mesh: pods, the proxies among them, and whose an address is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from meshtest.meshes.kubernetes.admin import Admin
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.cluster import Cluster
from meshtest.meshes.passage import Owner
from meshtest.resources.schema import nearest
from meshtest.topology.instance import Instance

_SIDECAR = "sidecar.istio.io/status"  # the annotation of pods that have one


class Population:
    """The pods of a cluster as they were when it was looked at last; proxies by their names (`pod.namespace`).

    Proxies of other namespaces than those `concerned` are nobody's business here, but for gateways.
    """

    def __init__(self, api: Api, cluster: Cluster, concerned: Collection[str]) -> None:
        self._api, self._cluster, self._concerned = api, cluster, concerned
        self.admins: dict[str, Admin] = {}
        self._asked: dict[str, bool] = {}
        self.topology = cluster.topology()
        self._know_proxies()

    def look(self) -> bool:
        """Look at the pods that there are now; whether anything is not as it was."""
        found = self._cluster.topology()
        if found == self.topology:
            return False
        self.topology = found
        self._know_proxies()
        return True

    def _know_proxies(self) -> None:
        self.proxies: Mapping[str, Instance] = {
            each.full_name: each for each in self.topology.instances if self._is_proxy(each)
        }
        for name in self.admins.keys() - self.proxies.keys():
            self.admins.pop(name).close()
        for name, each in self.proxies.items():
            if name not in self.admins:
                self.admins[name] = Admin(self._api, each.namespace, each.name)

    @property
    def readable(self) -> list[Instance]:
        """The proxies that may be asked what they hold."""
        return [each for each in self.proxies.values() if self._may_ask(each.namespace)]

    def _may_ask(self, namespace: str) -> bool:
        if namespace not in self._asked:
            self._asked[namespace] = self._api.may("create", "", "pods", namespace, "portforward")
        return self._asked[namespace]

    def _is_proxy(self, instance: Instance) -> bool:
        sidecar = _SIDECAR in instance.resource.annotations and instance.namespace in self._concerned
        return sidecar or instance.gateway

    def workloads(self) -> list[str]:
        """The names of those with a proxy."""
        return [
            name for name, own in self.topology.names.items() if any(each.full_name in self.proxies for each in own)
        ]

    def of(self, workload: str) -> list[Instance]:
        """The instances of a workload that have a proxy; ValueError if there is none."""
        found = [each for each in self.topology.names.get(workload, ()) if each.full_name in self.proxies]
        if not found:
            known = self.workloads()
            raise ValueError(
                f"there is no workload {workload!r} with a proxy{nearest(workload, known)}; there are {', '.join(known)}"
            )
        return found

    def named(self, name: str) -> list[str]:
        """The proxies of a workload, or the one of this name, with or without its namespace."""
        own = [full for full, each in self.proxies.items() if name in (full, each.name)]
        return own or [each.full_name for each in self.of(name)]

    def owners(self) -> dict[str, Owner]:
        """Whose each address (`ip:port`) is; a pod's are those that it names, and those to which Services lead."""
        out: dict[str, Owner] = {}
        for each in self.topology.instances:
            owner = Owner(each.name, each.full_name if each.full_name in self.proxies else "")
            out |= {f"{each.address}:{port}": owner for port in self._ports(each)}
        return out

    def _ports(self, instance: Instance) -> set[int]:
        found = set(instance.ports.values())
        for service in self.topology.services:
            if service.namespace == instance.namespace and service.selects(instance.labels):
                targets = (
                    instance.ports.get(each.target) if isinstance(each.target, str) else each.target
                    for each in service.ports
                )
                found.update(each for each in targets if each is not None)
        return found

    def names(self) -> dict[str, str]:
        """The pods by their addresses (`ip:port`)."""
        return {address: owner.name for address, owner in self.owners().items()}

    def close(self) -> None:
        """Hang up."""
        for admin in self.admins.values():
            admin.close()
