"""Manifests to resources: files, text or plain objects are read, checked and put into the form that the translation wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from meshtest.errors import ResourceError
from meshtest.resources.destination_rule import DESTINATION_RULE
from meshtest.resources.document import Document, Path, parse
from meshtest.resources.gateway import GATEWAY
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource, resources
from meshtest.resources.schema import Type, nearest
from meshtest.resources.virtual_service import VIRTUAL_SERVICE

NETWORKING, SECURITY, GATEWAY_API = "networking.istio.io", "security.istio.io", "gateway.networking.k8s.io"
ISTIO_GROUPS = (NETWORKING, SECURITY, "telemetry.istio.io", "extensions.istio.io", GATEWAY_API)

SCHEMAS: Mapping[tuple[str, str], Type] = {
    (NETWORKING, "VirtualService"): VIRTUAL_SERVICE,
    (NETWORKING, "DestinationRule"): DESTINATION_RULE,
    (NETWORKING, "Gateway"): GATEWAY,
}
LATER = {
    (NETWORKING, "ServiceEntry"),
    (NETWORKING, "WorkloadEntry"),
    (NETWORKING, "WorkloadGroup"),
    (NETWORKING, "Sidecar"),
    (NETWORKING, "EnvoyFilter"),
    (NETWORKING, "ProxyConfig"),
    (SECURITY, "PeerAuthentication"),
    (SECURITY, "AuthorizationPolicy"),
    (SECURITY, "RequestAuthentication"),
    ("telemetry.istio.io", "Telemetry"),
    ("extensions.istio.io", "WasmPlugin"),
    *(
        (GATEWAY_API, kind)
        for kind in ("Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "ReferenceGrant", "GatewayClass")
    ),
}
VERSIONS = ("v1", "v1beta1", "v1alpha3", "v1alpha1", "v1alpha2")


def is_istio(resource: Resource) -> bool:
    """Whether this is Istio's (or the Gateway API's) to interpret; other kinds describe the topology."""
    return resource.group in ISTIO_GROUPS


def read_files(paths: Iterable[FilePath | str], namespace: str = "default") -> list[Resource]:
    """The objects in these files, and in the *.yaml, *.yml and *.json files of these folders (sorted, not nested)."""
    return [
        found
        for path in paths
        for file in _files(FilePath(path))
        for found in read_text(_bytes(file), str(file), namespace)
    ]


def _files(path: FilePath) -> list[FilePath]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml", ".json") and file.is_file())
    if not found:
        raise ResourceError(f"{path}: this folder holds no *.yaml, *.yml or *.json file")
    return found


def _bytes(file: FilePath) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ResourceError(f"{file}: cannot be read: {error.strerror}") from None


def read_text(text: str | bytes, file: str, namespace: str = "default") -> list[Resource]:
    """The objects in YAML or JSON text; `file` names it in messages."""
    return resources(parse(text, file), namespace)


def read_objects(objects: Iterable[Mapping[str, Any]], namespace: str = "default") -> list[Resource]:
    """Resources from plain objects, as a test may build them."""
    found = [
        Document(dict(each) if isinstance(each, Mapping) else each, f"object {n}", {})
        for n, each in enumerate(objects, 1)
    ]
    return resources(found, namespace)


def check(found: Sequence[Resource]) -> list[Resource]:
    """Istio resources with their specs checked and normalised; WrongResources carries every problem in all of them."""
    problems: list[Problem] = []
    checked = [_check(resource, problems) for resource in found]
    if problems:
        wrong = [problem for problem in problems if not problem.unsupported]
        raise WrongResources(wrong or problems)
    return checked


def _check(resource: Resource, problems: list[Problem]) -> Resource:
    def report(path: Path, message: str, *, unsupported: bool = False) -> None:
        problems.append(Problem(resource, path, message, unsupported))

    schema = SCHEMAS.get((resource.group, resource.kind))
    if schema is None:
        _unknown_kind(resource, report)
        return resource
    if resource.api_version.rpartition("/")[2] not in VERSIONS:
        report(("apiVersion",), f"there is no version {resource.api_version!r} of this kind; use {NETWORKING}/v1")
    for key in resource.body.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}:
        report(
            (key,), f"there is no field {key!r} here{nearest(key, ('spec', 'metadata')) or '; it belongs under spec'}"
        )
    spec = schema.read(resource.body.get("spec") or {}, ("spec",), report)
    return replace(resource, body={**resource.body, "spec": spec})


def _unknown_kind(resource: Resource, report: Any) -> None:
    if (resource.group, resource.kind) in LATER:
        report((), f"the kind {resource.kind} is not implemented by the local mesh", unsupported=True)
        return
    known = sorted({kind for group, kind in (*SCHEMAS, *LATER) if group == resource.group})
    report(("kind",), f"there is no kind {resource.kind!r} in {resource.group}{nearest(resource.kind, known)}")
