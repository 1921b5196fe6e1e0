"""A pod of the run's own in the cluster, without a sidecar: from it the gateway is called where it cannot be reached from here."""

from __future__ import annotations

import time
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Missing
from meshtest.meshes.kubernetes.cluster import ready
from meshtest.meshes.kubernetes.manifests import IMAGE, Manifests, Wishes
from meshtest.resources.manifest import read_objects
from meshtest.topology.instance import Instance, from_pod

Json = dict[str, Any]

DEADLINE = 60.0
"""Seconds for a pod to be ready; its image may have to be pulled."""
_LOOK = 0.2


class ClientPod:
    """The pod; `resource` is to be put in force, and then it can be waited for."""

    def __init__(self, api: Api, run: str, namespace: str, image: str | None, pull_policy: str) -> None:
        self._api = api
        self._name, self._namespace = f"meshtest-client-{run}", namespace
        wishes = Wishes(image or IMAGE, pull_policy, namespace)
        (made,) = Manifests(read_objects([self._pod()], namespace), wishes).objects()
        made["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
        made["metadata"].pop("annotations", None)
        (self.resource,) = read_objects([made], namespace)

    def _pod(self) -> Json:
        container = {"name": "client", "image": IMAGE, "ports": [{"containerPort": 8000}]}
        metadata = {"name": self._name, "namespace": self._namespace, "labels": {"app": "meshtest-client"}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}

    def wait(self) -> Instance:
        """Wait until it is ready; MeshError with what Kubernetes says of it if it is not in time."""
        deadline = time.monotonic() + DEADLINE
        while not ready(found := self._look()):
            if time.monotonic() > deadline:
                raise MeshError(
                    f"the pod {self._namespace}/{self._name}, from which the gateway is called, is not ready after {DEADLINE:g} s: "
                    f"{_reason(found)}; is its image to be had in the cluster (--mesh-image)?"
                )
            time.sleep(_LOOK)
        (resource,) = read_objects([{**found, "apiVersion": "v1", "kind": "Pod"}])
        return from_pod(resource, "")

    def _look(self) -> Json:
        try:
            return dict(self._api.get(f"/api/v1/namespaces/{self._namespace}/pods/{self._name}"))
        except Missing:
            return {}


def _reason(pod: Json) -> str:
    """Why its container does not run, in Kubernetes' words."""
    for each in pod.get("status", {}).get("containerStatuses", ()):
        for told in each.get("state", {}).values():
            if told.get("reason"):
                return ": ".join(str(told[key]) for key in ("reason", "message") if told.get(key))
    return str(pod.get("status", {}).get("phase", "it is not there"))
