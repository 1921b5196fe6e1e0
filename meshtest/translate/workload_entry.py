"""WorkloadEntries: addresses that no pod stands behind (`pilot/pkg/serviceregistry/serviceentry/conversion.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.resources.name import address
from meshtest.resources.resource import Resource
from meshtest.topology.endpoint import NOWHERE, Endpoint, Locality, augmented, locality
from meshtest.topology.mesh_config import MeshConfig


@dataclass(frozen=True)
class Workload:
    """What a ServiceEntry, or a Service, can select: an address with labels. `ports` are numbers by name."""

    address: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int]
    locality: Locality = NOWHERE
    weight: int = 1
    tls: bool = False
    identity: str = ""

    @property
    def by_address(self) -> bool:
        """Whether it has an IP address; else a name that must be resolved."""
        return address(self.address)

    def endpoint(self, port: int) -> Endpoint:
        """A port of it."""
        return Endpoint(self.address, port, self.labels, self.locality, self.weight, self.tls, self.identity)


def workload(
    spec: Mapping[str, Any], namespace: str, config: MeshConfig, labels: Mapping[str, str] | None = None
) -> Workload:
    """A workload from the spec of a WorkloadEntry, or from an endpoint within a ServiceEntry; `labels` are the object's own."""
    own = {**spec.get("labels", {}), **(labels or {})}
    account = spec.get("serviceAccount", "")
    where = spec.get("locality") or own.get("istio-locality", "").replace(".", "/")
    found = locality(where)
    return Workload(
        spec.get("address", ""),
        namespace,
        augmented(own, found),
        spec.get("ports", {}),
        found,
        spec.get("weight") or 1,
        tls=own.get("security.istio.io/tlsMode", "istio" if account else "disabled") == "istio",
        identity=config.identity(namespace, account) if account else "",
    )


def from_resource(resource: Resource, config: MeshConfig) -> Workload:
    """The workload that a WorkloadEntry stands for."""
    return workload(resource.spec, resource.namespace, config, resource.labels)
