"""The parts of Kubernetes' own objects that describe a topology, and that they have the right shape."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.metadata import METADATA
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource
from meshtest.resources.schema import (
    FLAG,
    PORT,
    TEXT,
    Enum,
    ListOf,
    MapOf,
    Message,
    Report,
    Text,
    Type,
    Unsupported,
    Whole,
    named,
)

MOST_REPLICAS = 100


def _open(fields: Mapping[str, Type], required: tuple[str, ...] = ()) -> Message:
    """Kubernetes reads a null as nothing, and has more fields than matter here."""
    return Message(fields, required=required, nullable=tuple(fields), closed=False)


class _PortOrName:
    """The number of a port, or the name of one."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, str):
            if not value:
                report(path, "must be the number or the name of a port")
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            report(path, f"must be the number or the name of a port; this is {named(value)}")
            return value
        return PORT.read(value, path, report) if value else None


class _NoExternalName(Enum):
    """The type of a Service."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if value == "ExternalName":
            report(path, "ExternalName is not implemented by the local mesh", unsupported=True)
            return value
        return super().read(value, path, report)


class _ForAll:
    """Traffic policies of a Service that send it to near endpoints only."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if value != "Cluster":
            report(path, f"{value} is not implemented by the local mesh", unsupported=True)
        return value


def _base64(text: str) -> str | None:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return "must be base64; put plain text under stringData"
    return None


SERVICE_PORT = _open(
    {"name": TEXT, "port": PORT, "targetPort": _PortOrName(), "protocol": TEXT, "appProtocol": TEXT}, ("port",)
)
SERVICE = _open(
    {
        "type": _NoExternalName(("ClusterIP", "NodePort", "LoadBalancer")),
        "clusterIP": Text(
            lambda text: None if text in ("", "None") or name.address(text) else "must be an IP address, or None"
        ),
        "selector": MapOf(TEXT),
        "ports": ListOf(SERVICE_PORT),
        "internalTrafficPolicy": _ForAll(),
        "trafficDistribution": Unsupported(),
        "publishNotReadyAddresses": FLAG,
    }
)
_CONTAINER = _open(
    {
        "ports": ListOf(_open({"name": TEXT, "containerPort": PORT}, ("containerPort",))),
        "env": ListOf(_open({"name": TEXT, "value": TEXT}, ("name",))),
    }
)
_POD_SPEC = _open({"nodeName": TEXT, "serviceAccountName": TEXT, "containers": ListOf(_CONTAINER)})
_POD_STATUS = _open(
    {"podIP": Text(lambda text: None if not text or name.address(text) else "must be an IP address"), "phase": TEXT}
)
_LABELS = _open({"matchLabels": MapOf(TEXT)})
_OWNER = _open(
    {
        "replicas": Whole(0, MOST_REPLICAS),
        "selector": _LABELS,
        "template": _open({"metadata": _open({"labels": MapOf(TEXT), "annotations": MapOf(TEXT)}), "spec": _POD_SPEC}),
    }
)

_SHAPES: Mapping[str, Message] = {
    "Service": _open({"metadata": METADATA, "spec": SERVICE}),
    "Pod": _open({"metadata": METADATA, "spec": _POD_SPEC, "status": _POD_STATUS}),
    "Deployment": _open({"metadata": METADATA, "spec": _OWNER}),
    "StatefulSet": _open({"metadata": METADATA, "spec": _OWNER}),
    "Node": _open({"metadata": METADATA}),
    "ConfigMap": _open({"metadata": METADATA, "data": MapOf(TEXT)}),
    "Secret": _open({"metadata": METADATA, "data": MapOf(Text(_base64)), "stringData": MapOf(TEXT)}),
}
_GROUPS = {"Deployment": "apps", "StatefulSet": "apps"}
_REFUSED = ("networking.istio.io/traffic-distribution",)  # annotations of Services


def checked(found: Iterable[Resource]) -> list[Resource]:
    """The objects that describe a topology; WrongResources if one has not the shape that Kubernetes wants."""
    out, problems = examined(found)
    if problems:
        raise WrongResources([problem for problem in problems if not problem.unsupported] or problems)
    return out


def examined(found: Iterable[Resource]) -> tuple[list[Resource], list[Problem]]:
    """The objects that describe a topology, and every problem in all of them."""
    problems: list[Problem] = []
    return [_checked(each, problems) for each in found if each.kind in _SHAPES and "." not in each.group], problems


def _checked(resource: Resource, problems: list[Problem]) -> Resource:
    def report(path: Path, message: str, *, unsupported: bool = False) -> None:
        problems.append(Problem(resource, path, message, unsupported))

    group = _GROUPS.get(resource.kind, "")
    if resource.group != group:
        right = f"{group}/v1" if group else "v1"
        report(("apiVersion",), f"there is no {resource.kind} in {resource.api_version!r}; did you mean {right!r}?")
    body = _SHAPES[resource.kind].read(resource.body, (), report)
    annotations = body.get("metadata", {}).get("annotations", {}) if resource.kind == "Service" else {}
    for key in _REFUSED:
        if annotations.get(key, "*") != "*":
            report(("metadata", "annotations", key), "is not implemented by the local mesh", unsupported=True)
    return replace(resource, body=body)
