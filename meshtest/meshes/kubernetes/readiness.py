"""Pods that leave the endpoints of their Services and come back, as Kubernetes itself makes it when their probes answer so."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.pods import Command
from meshtest.topology.instance import Instance

Json = Mapping[str, Any]

DEADLINE = 60.0  # seconds; a kubelet asks each second
_LOOK = 0.1


class Told(Protocol):
    """Waits until all proxies concerned have pods in (or out of) the endpoints of their Services."""

    def __call__(self, instances: Collection[Instance], *, ready: bool) -> None:
        """MeshError if they do not in time."""


class Readiness:
    """Which of a mesh's pods are ready, as far as it was asked; `instances` are all there are."""

    def __init__(self, api: Api, command: Command, instances: Callable[[], Iterable[Instance]], told: Told) -> None:
        self._api, self._command, self._instances, self._told = api, command, instances, told
        self._unready: frozenset[str] = frozenset()

    def set_unready(self, unready: frozenset[str]) -> None:
        """Make exactly these pods (by address) be unready; returns when the EndpointSlices, and the proxies, say so."""
        present = {each.address: each for each in self._instances()}
        leaving = [present[each] for each in unready - self._unready if each in present]
        coming = [present[each] for each in self._unready - unready if each in present]
        self._unready = unready  # as far as it is known, should what follows fail
        self._change(leaving, ready=False)
        self._change(coming, ready=True)

    def _change(self, instances: list[Instance], *, ready: bool) -> None:
        if instances:
            self._command("ready" if ready else "unready", instances=[each.full_name for each in instances])
            self.wait(instances, ready=ready)
            self._told(instances, ready=ready)

    def wait(self, instances: Collection[Instance], *, ready: bool) -> None:
        """Wait until these pods are in (or out of) the endpoints of all their Services; MeshError if they are not in time."""
        deadline = time.monotonic() + DEADLINE
        for namespace in {each.namespace for each in instances}:
            pods = [each for each in instances if each.namespace == namespace]
            while behind := self._behind(namespace, pods, ready):
                if time.monotonic() > deadline:
                    state = "in" if ready else "out of"
                    raise MeshError(
                        f"after {DEADLINE:g} s not {state} the endpoints: {', '.join(behind)}; "
                        f"`kubectl -n {namespace} get endpointslices` shows them, `describe pod` what its readiness probe says"
                    )
                time.sleep(_LOOK)

    def _behind(self, namespace: str, pods: Iterable[Instance], ready: bool) -> list[str]:
        services = self._api.list(f"/api/v1/namespaces/{namespace}/services")
        slices = self._api.list(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
        return [
            f"{each.full_name} (Service {service})"
            for each in pods
            for service in selecting(services, each.labels)
            if (each.name in ready_pods(slices, service)) is not ready
        ]


def selecting(services: Iterable[Json], labels: Mapping[str, str]) -> list[str]:
    """The Services that lead to pods with these labels while they are ready, and only then."""
    return [
        each["metadata"]["name"]
        for each in services
        if (selector := each["spec"].get("selector"))
        and selector.items() <= labels.items()
        and not each["spec"].get("publishNotReadyAddresses")
    ]


def ready_pods(slices: Iterable[Json], service: str) -> set[str]:
    """The pods that EndpointSlices say to be ready behind a Service; a pod of which they do not say it is, too (its API reference)."""
    return {
        endpoint["targetRef"]["name"]
        for each in slices
        if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
        for endpoint in each.get("endpoints") or ()
        if endpoint.get("targetRef") and (endpoint.get("conditions") or {}).get("ready") is not False
    }
