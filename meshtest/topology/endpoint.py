"""Addresses behind Services, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLUSTER = "Kubernetes"  # istiod's name for the cluster that it runs in

REGION, ZONE, SUBZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"


@dataclass(frozen=True, order=True)
class Locality:
    """Region, zone and subzone, each perhaps empty.

    `label` is istiod's text for it, which is what it goes by: `r1/z1` of a WorkloadEntry is another one than `r1/z1/` of a node.
    """

    region: str = ""
    zone: str = ""
    sub_zone: str = ""
    label: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.region or self.zone or self.sub_zone)


NOWHERE = Locality()


def locality(text: str) -> Locality:
    """A locality from `region/zone/subzone`; parts may be left out from the right."""
    region, zone, sub_zone, *_ = (*text.split("/"), "", "")
    return Locality(region, zone, sub_zone, text)


def from_labels(labels: Mapping[str, str]) -> Locality:
    """The locality that the labels of a node tell (`getPodLocality` in `serviceregistry/kube/controller/controller.go`)."""
    parts = (labels.get(REGION, ""), labels.get(ZONE, ""), labels.get(SUBZONE, ""))
    return Locality(*parts, "/".join(parts)) if any(parts) else NOWHERE


def augmented(labels: Mapping[str, str], where: Locality, node: str = "") -> dict[str, str]:
    """Labels with those that istiod adds: locality, cluster and node (`AugmentLabels` in `serviceregistry/util/label`)."""
    added = {REGION: where.region, ZONE: where.zone, SUBZONE: where.sub_zone, "topology.istio.io/cluster": CLUSTER}
    added["kubernetes.io/hostname"] = node
    return {**labels, **{key: value for key, value in added.items() if value}}


@dataclass(frozen=True)
class Endpoint:
    """An address (of a ServiceEntry perhaps a host name) and port behind a Service.

    `labels` decide about subsets; `identity` is its SPIFFE name, empty if it has none; `tls` says whether it takes mutual TLS.
    """

    address: str
    port: int
    labels: Mapping[str, str]
    locality: Locality = NOWHERE
    weight: int = 1
    tls: bool = False
    identity: str = ""
