"""A cluster as it was read at one moment: the control plane, the ingress gateway and the namespaces under test."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from meshtest.meshes.kubernetes.check.injection import labels_of
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.reading import Place, Reader, each
from meshtest.meshes.kubernetes.check.rights import CLUSTER, CONTROL_PLANE, TESTED, Right
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen
from meshtest.meshes.kubernetes.check.selector import matches
from meshtest.meshes.kubernetes.check.services import behind

ISTIO_SYSTEM = "istio-system"
_ISTIOD = {"matchLabels": {"app": "istiod"}}
_GATEWAY = {"matchExpressions": [{"key": "istio", "operator": "Exists"}]}  # gateways of Istio's charts, egress ones too


@dataclass(frozen=True)
class Entrance:
    """The ingress gateway by its Service; as Istio's default profile names it."""

    namespace: str = ISTIO_SYSTEM
    service: str = "istio-ingressgateway"

    @classmethod
    def of(cls, text: str) -> Entrance:
        """Of `namespace/service` as people give it; ValueError if it is not."""
        namespace, slash, service = text.partition("/")
        if not (namespace and slash and service) or "/" in service:
            raise ValueError(f"{text!r} is no namespace and Service, as in {cls()}")
        return cls(namespace, service)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}"


@dataclass(frozen=True)
class Survey:
    """What the checks are about.

    `tested` holds the namespaces under test that exist; `refused` what the user may not, by where it is needed and the namespace.
    """

    now: datetime
    version: Json
    plane: Place
    entrance: Entrance
    gateway_place: Place
    gateway_service: Seen[Json | None]
    namespaces: Mapping[str, Seen[Json | None]]
    tested: Mapping[str, Place]
    refused: Mapping[tuple[str, str], Mapping[Right, Collection[tuple[str, str]]]]
    roots: Mapping[str, Seen[str | None]]
    configurations: Seen[list[Json]]

    @property
    def istiods(self) -> list[Pod]:
        """The pods of the control plane."""
        return [pod for pod in self.plane.living if matches(_ISTIOD, pod.labels)]

    @property
    def gateways(self) -> list[Pod]:
        """The pods of the ingress gateway."""
        service = None if isinstance(self.gateway_service, Unseen) else self.gateway_service
        return behind(service, self.gateway_place.living)

    @property
    def root(self) -> str | None:
        """The root that proxies trust (PEM): the control plane's, or that of a namespace under test where it cannot be read."""
        return next((each for each in self.roots.values() if isinstance(each, str)), None)

    @property
    def labels(self) -> list[Mapping[str, str]] | None:
        """The labels of the namespaces under test; None if not all are known, or none is named."""
        found = [each for each in self.namespaces.values() if each is not None]
        known: list[Mapping[str, str]] = [labels_of(each) for each in found if not isinstance(each, Unseen)]
        return known if known and len(known) == len(found) else None

    def of_mesh(self, place: Place) -> tuple[list[Json], list[Pod]]:
        """The controllers and pods of istiod and the gateways in a namespace; other things may run there that tests do not need."""
        gateways = self.gateways
        pods = [pod for pod in place.living if pod in gateways or _of_mesh(pod.labels)]
        controllers = [] if isinstance(place.controllers, Unseen) else place.controllers
        return [each for each in controllers if _of_mesh(_labels(each)) or _makes(each, pods)], pods


def _of_mesh(labels: Mapping[str, str]) -> bool:
    return matches(_ISTIOD, labels) or matches(_GATEWAY, labels)


def _makes(controller: Json, pods: Collection[Pod]) -> bool:
    return any(matches(controller["spec"]["selector"], pod.labels) for pod in pods)


def _labels(controller: Json) -> Mapping[str, str]:
    return (controller["spec"]["template"].get("metadata") or {}).get("labels") or {}


def read(reader: Reader, names: Collection[str], control_plane: str, entrance: Entrance | None) -> Survey:
    """Read all that the API server tells; without an `entrance`, the gateway is found by the label that Istio gives it."""
    entrance = entrance or next((Entrance(*one) for one in reader.gateways(control_plane)), Entrance(control_plane))
    namespaces = dict(zip(names, each(lambda name: reader.namespace(name, TESTED), names), strict=True))
    there = [name for name, found in namespaces.items() if found is not None]
    planes = list(dict.fromkeys((control_plane, entrance.namespace)))
    asked = [*((TESTED, name) for name in there), *((CONTROL_PLANE, name) for name in planes)]
    places = dict(zip(asked, each(lambda one: reader.place(one[1], one[0]), asked), strict=True))
    refused = {one: reader.refused(*one) for one in (*asked, (CLUSTER, ""))}
    trusting = [(CONTROL_PLANE, control_plane), *((TESTED, name) for name in there)]
    roots = each(lambda one: reader.root(one[1], one[0]), trusting)
    return Survey(
        now=datetime.now(UTC),
        version=reader.kubernetes(),
        plane=places[CONTROL_PLANE, control_plane],
        entrance=entrance,
        gateway_place=places[CONTROL_PLANE, entrance.namespace],
        gateway_service=reader.service(entrance.namespace, entrance.service, CONTROL_PLANE),
        namespaces=namespaces,
        tested={name: places[TESTED, name] for name in there},
        refused=refused,
        roots=dict(zip((name for _, name in trusting), roots, strict=True)),
        configurations=reader.webhooks(),
    )
