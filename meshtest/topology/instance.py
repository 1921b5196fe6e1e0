"""Pods, or what Deployments make of them: the instances of workloads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtest.resources.resource import Resource


@dataclass(frozen=True)
class Instance:
    """One pod. `ports` maps the names of container ports to numbers; `address` is its (virtual) IP, `account` its service account."""

    name: str
    namespace: str
    workload: str
    labels: Mapping[str, str]
    address: str
    resource: Resource
    ports: Mapping[str, int] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    gateway: bool = False
    account: str = "default"

    @property
    def full_name(self) -> str:
        """`name.namespace`, as istioctl names a proxy; pods of several namespaces may share their names."""
        return f"{self.name}.{self.namespace}"

    @property
    def app(self) -> str:
        """The value of the label `app`, else the workload's name."""
        return self.labels.get("app") or self.labels.get("app.kubernetes.io/name") or self.workload

    @property
    def version(self) -> str | None:
        """The value of the label `version`, if there is one."""
        return self.labels.get("version") or self.labels.get("app.kubernetes.io/version")


def from_pod(pod: Resource, address: str) -> Instance:
    """The instance that a Pod is; its workload is its owner (of a ReplicaSet that one's, as Istio has it).

    Without one it is named after its labels (`app-version`, else `app`), else after itself.
    """
    labels = pod.labels
    named = [labels[key] for key in ("app", "version") if labels.get(key)]
    workload = _owner(pod) or ("-".join(named) if labels.get("app") else pod.name)
    given = pod.body.get("status", {}).get("podIP") or address
    return _instance(pod, pod.name, workload, labels, given, pod.spec, pod.annotations)


def _owner(pod: Resource) -> str:
    """The Deployment (or StatefulSet...) that a pod was made by; empty if it was made by nobody."""
    owners = pod.body["metadata"].get("ownerReferences") or ()
    name = next((str(each.get("name", "")) for each in owners if each.get("controller")), "")
    return name.removesuffix(f"-{pod.labels['pod-template-hash']}") if "pod-template-hash" in pod.labels else name


def from_deployment(deployment: Resource, addresses: Iterator[str]) -> list[Instance]:
    """The instances that a Deployment (or StatefulSet) asks for, named as Kubernetes would."""
    template = deployment.spec.get("template", {})
    metadata = template.get("metadata", {})
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    spec = template.get("spec", {})
    return [
        _instance(
            deployment, _pod_name(deployment, number), deployment.name, labels, next(addresses), spec, annotations
        )
        for number in range(deployment.spec.get("replicas", 1))
    ]


_POD_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # the letters Kubernetes makes names of


def _pod_name(owner: Resource, number: int) -> str:
    if owner.kind == "StatefulSet":
        return f"{owner.name}-{number}"
    digest = hashlib.sha256(f"{owner.namespace}/{owner.name}".encode()).digest()
    pod = hashlib.sha256(digest + bytes([number])).digest()
    return f"{owner.name}-{_letters(digest, 10)}-{_letters(pod, 5)}"


def _letters(digest: bytes, count: int) -> str:
    return "".join(_POD_ALPHABET[byte % len(_POD_ALPHABET)] for byte in digest[:count])


def _instance(
    resource: Resource,
    name: str,
    workload: str,
    labels: Mapping[str, str],
    address: str,
    spec: Mapping[str, Any],
    annotations: Mapping[str, str],
) -> Instance:
    containers = spec.get("containers", [])
    ports = {
        port["name"]: port["containerPort"] for each in containers for port in each.get("ports", []) if port.get("name")
    }
    env = {pair["name"]: pair.get("value", "") for each in containers for pair in each.get("env", [])}
    gateway = annotations.get("inject.istio.io/templates") == "gateway" or labels.get("istio", "").endswith("gateway")
    return Instance(
        name,
        resource.namespace,
        workload,
        dict(labels),
        address,
        resource,
        ports,
        env,
        spec.get("nodeName", ""),
        gateway,
        spec.get("serviceAccountName") or "default",
    )
