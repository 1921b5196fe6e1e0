"""Manifests to resources: files, text or plain objects are read, checked and put into the form that the translation wants."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from meshtest.resources.annotations import check_annotations
from meshtest.resources.document import Document, Path, parse
from meshtest.resources.files import contents
from meshtest.resources.kinds.authorization_policy import AUTHORIZATION_POLICY
from meshtest.resources.kinds.destination_rule import DESTINATION_RULE, exported_with_selector, own_config_maps
from meshtest.resources.kinds.envoy_filter import ENVOY_FILTER
from meshtest.resources.kinds.export_to import own_namespace_once
from meshtest.resources.kinds.extension import TRAFFIC_EXTENSION, WASM_PLUGIN
from meshtest.resources.kinds.gateway import GATEWAY, named
from meshtest.resources.kinds.gateway_api import gateway as gateway_api
from meshtest.resources.kinds.gateway_api.grpc_route import GRPC_ROUTE
from meshtest.resources.kinds.gateway_api.http_route import HTTP_ROUTE
from meshtest.resources.kinds.gateway_api.layer4_route import TCP_ROUTE, TLS_ROUTE, UDP_ROUTE
from meshtest.resources.kinds.gateway_api.policies import BACKEND_TLS_POLICY, REFERENCE_GRANT
from meshtest.resources.kinds.peer_authentication import PEER_AUTHENTICATION
from meshtest.resources.kinds.proxy_config import PROXY_CONFIG
from meshtest.resources.kinds.request_authentication import REQUEST_AUTHENTICATION
from meshtest.resources.kinds.service_entry import SERVICE_ENTRY, dynamic_without_waypoint
from meshtest.resources.kinds.sidecar import SIDECAR
from meshtest.resources.kinds.telemetry import TELEMETRY as TELEMETRY_SCHEMA
from meshtest.resources.kinds.virtual_service import VIRTUAL_SERVICE
from meshtest.resources.kinds.workload_entry import WORKLOAD_ENTRY
from meshtest.resources.kinds.workload_group import WORKLOAD_GROUP
from meshtest.resources.metadata import STRICT_METADATA
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource, resources
from meshtest.resources.schema import Report, Type, Unsupported, nearest

NETWORKING, SECURITY, GATEWAY_API = "networking.istio.io", "security.istio.io", "gateway.networking.k8s.io"
TELEMETRY, EXTENSIONS = "telemetry.istio.io", "extensions.istio.io"
ISTIO_GROUPS = (NETWORKING, SECURITY, TELEMETRY, EXTENSIONS, GATEWAY_API)

SCHEMAS: Mapping[tuple[str, str], Type] = {
    (NETWORKING, "VirtualService"): VIRTUAL_SERVICE,
    (NETWORKING, "DestinationRule"): DESTINATION_RULE,
    (NETWORKING, "Gateway"): GATEWAY,
    (SECURITY, "PeerAuthentication"): PEER_AUTHENTICATION,
    (SECURITY, "AuthorizationPolicy"): AUTHORIZATION_POLICY,
    (SECURITY, "RequestAuthentication"): Unsupported(inner=REQUEST_AUTHENTICATION),
    (NETWORKING, "ServiceEntry"): SERVICE_ENTRY,
    (NETWORKING, "WorkloadEntry"): WORKLOAD_ENTRY,
    (NETWORKING, "WorkloadGroup"): Unsupported(inner=WORKLOAD_GROUP),
    (NETWORKING, "Sidecar"): SIDECAR,
    (NETWORKING, "EnvoyFilter"): Unsupported(inner=ENVOY_FILTER),
    (NETWORKING, "ProxyConfig"): Unsupported(inner=PROXY_CONFIG),
    (TELEMETRY, "Telemetry"): Unsupported(inner=TELEMETRY_SCHEMA),
    (EXTENSIONS, "WasmPlugin"): Unsupported(inner=WASM_PLUGIN),
    (EXTENSIONS, "TrafficExtension"): Unsupported(inner=TRAFFIC_EXTENSION),
    (GATEWAY_API, "Gateway"): Unsupported(inner=gateway_api.GATEWAY),
    (GATEWAY_API, "GatewayClass"): Unsupported(inner=gateway_api.GATEWAY_CLASS),
    (GATEWAY_API, "ListenerSet"): Unsupported(inner=gateway_api.LISTENER_SET),
    (GATEWAY_API, "HTTPRoute"): Unsupported(inner=HTTP_ROUTE),
    (GATEWAY_API, "GRPCRoute"): Unsupported(inner=GRPC_ROUTE),
    (GATEWAY_API, "TCPRoute"): Unsupported(inner=TCP_ROUTE),
    (GATEWAY_API, "UDPRoute"): Unsupported(inner=UDP_ROUTE),
    (GATEWAY_API, "TLSRoute"): Unsupported(inner=TLS_ROUTE),
    (GATEWAY_API, "ReferenceGrant"): Unsupported(inner=REFERENCE_GRANT),
    (GATEWAY_API, "BackendTLSPolicy"): Unsupported(inner=BACKEND_TLS_POLICY),
}
# Where a kind is served in other versions than its group's; as the CRDs of Istio 1.32 and of the Gateway API 1.6 have it.
VERSIONS_OF_GROUP = {
    NETWORKING: ("v1", "v1beta1", "v1alpha3"),
    SECURITY: ("v1", "v1beta1"),
    TELEMETRY: ("v1", "v1alpha1"),
    EXTENSIONS: ("v1alpha1",),
    GATEWAY_API: ("v1",),
}
VERSIONS = {
    (NETWORKING, "EnvoyFilter"): ("v1alpha3",),
    (NETWORKING, "ProxyConfig"): ("v1beta1",),
    **dict.fromkeys(
        ((GATEWAY_API, kind) for kind in ("Gateway", "GatewayClass", "HTTPRoute", "ReferenceGrant")), ("v1", "v1beta1")
    ),
}
_GROUPS_OF: dict[str, str] = {}
for _group, _kind in SCHEMAS:  # Istio's Gateway comes before that of the Gateway API
    _GROUPS_OF.setdefault(_kind, _group)

ResourceRule = Callable[[Resource, Report], None]
RULES: Mapping[tuple[str, str], tuple[ResourceRule, ...]] = {  # that look at more than a spec, once it is right
    (NETWORKING, "VirtualService"): (own_namespace_once,),
    (NETWORKING, "DestinationRule"): (own_namespace_once, exported_with_selector, own_config_maps),
    (NETWORKING, "Gateway"): (named,),
    (NETWORKING, "ServiceEntry"): (own_namespace_once, dynamic_without_waypoint),
}


def is_istio(resource: Resource) -> bool:
    """Whether this is Istio's (or the Gateway API's) to interpret, or was meant to be; other kinds describe the topology."""
    return resource.group in ISTIO_GROUPS or bool(_group_meant(resource))


def _group_meant(resource: Resource) -> str:
    """The group that a misspelt or missing one stands for; empty where it is somebody else's."""
    own = _GROUPS_OF.get(resource.kind, "")
    if own and not resource.group:
        return own
    near = difflib.get_close_matches(resource.group[:100], ISTIO_GROUPS, n=1, cutoff=0.75 if own else 0.9)
    return near[0] if near else ""


def read_files(paths: Iterable[FilePath | str], namespace: str = "default") -> list[Resource]:
    """The objects in these files, in the *.yaml, *.yml and *.json files of these folders, and (`-`) in the standard input."""
    return [found for content, file in contents(paths) for found in read_text(content, file, namespace)]


def read_text(text: str | bytes, file: str, namespace: str = "default") -> list[Resource]:
    """The objects in YAML or JSON text; `file` names it in messages."""
    return resources(parse(text, file), namespace)


def read_objects(objects: Iterable[Mapping[str, Any]], namespace: str = "default") -> list[Resource]:
    """Resources from plain objects, as a test may build them."""
    found = [
        Document(dict(each) if isinstance(each, Mapping) else each, f"object {n}") for n, each in enumerate(objects, 1)
    ]
    return resources(found, namespace)


def check(found: Sequence[Resource]) -> list[Resource]:
    """Istio resources with their specs checked and normalised; WrongResources carries every problem in all of them."""
    checked, problems = examine(found)
    if problems:
        wrong = [problem for problem in problems if not problem.unsupported]
        raise WrongResources(wrong or problems)
    return checked


def examine(found: Sequence[Resource]) -> tuple[list[Resource], list[Problem]]:
    """The resources with their specs normalised, as far as they are right, and every problem in all of them."""
    problems: list[Problem] = []
    return [_check(resource, problems) for resource in found], problems


def _check(resource: Resource, problems: list[Problem]) -> Resource:
    def report(path: Path, message: str, *, unsupported: bool = False) -> None:
        problems.append(Problem(resource, path, message, unsupported))

    STRICT_METADATA.read(resource.body["metadata"], ("metadata",), report)
    check_annotations(resource, report)
    schema = SCHEMAS.get((resource.group, resource.kind))
    if schema is None:
        _unknown_kind(resource, report)
        return resource
    served = VERSIONS.get((resource.group, resource.kind), VERSIONS_OF_GROUP[resource.group])
    if resource.api_version.rpartition("/")[2] not in served:
        report(
            ("apiVersion",),
            f"there is no version {resource.api_version!r} of this kind; use {resource.group}/{served[0]}",
        )
    if not isinstance(resource.body.get("status") or {}, dict):
        report(("status",), "must be a mapping; it is the cluster's to write: take it away")
    for key in resource.body.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}:
        meant = nearest(str(key), ("spec", "metadata")) or "; it belongs under spec"
        report((str(key),), f"there is no field {key!r} here{meant}")
    known = len(problems)
    inner = schema.inner if isinstance(schema, Unsupported) else schema
    spec = (inner or schema).read(resource.body.get("spec", {}), ("spec",), report)
    checked = replace(resource, body={**resource.body, "spec": spec})
    if all(problem.unsupported for problem in problems[known:]):
        for rule in RULES.get((resource.group, resource.kind), ()):
            rule(checked, report)
    if inner is not schema and len(problems) == known:
        report((), f"the kind {resource.kind} is not implemented by the local mesh", unsupported=True)
    return checked


def _unknown_kind(resource: Resource, report: Report) -> None:
    group, kind = resource.group, resource.kind
    if group not in ISTIO_GROUPS:
        meant = _group_meant(resource)
        report(("apiVersion",), f"there is no {kind} in {resource.api_version!r}; did you mean '{meant}/v1'?")
    elif kind in _GROUPS_OF:
        report(("apiVersion",), f"the kind {kind} is not in {group}; did you mean '{_GROUPS_OF[kind]}/v1'?")
    else:
        known = sorted(each for its, each in SCHEMAS if its == group)
        hint = nearest(kind, known) or f"; known are {', '.join(known)}"
        report(("kind",), f"there is no kind {kind!r} in {group}{hint}")
