"""What translates and the local mesh cannot run yet: refused by name when it is applied, before anything is changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.problem import Problem
from meshtest.resources.resource import Resource

Limits = Iterator[tuple[Path, str]]

_NO_MUTUAL = "ISTIO_MUTUAL is not implemented by the local mesh yet: its sidecars speak plain text to each other"
_NO_REVOCATION = "lists of revoked certificates are not implemented by the local mesh"


def beyond(resources: Iterable[Resource]) -> list[Problem]:
    """Each field of these resources (checked) that the local mesh cannot run."""
    return [
        Problem(each, ("spec", *path), message, unsupported=True)
        for each in resources
        if each.kind in _LIMITS
        for path, message in _LIMITS[each.kind](each.spec)
    ]


def _of_destination_rule(spec: Mapping[str, Any]) -> Limits:
    places: list[tuple[Path, Mapping[str, Any]]] = [((), spec)]
    places += [(("subsets", index), each) for index, each in enumerate(spec.get("subsets", []))]
    for path, place in places:
        policy = place.get("trafficPolicy", {})
        yield from _of_client((*path, "trafficPolicy", "tls"), policy.get("tls", {}))
        for index, setting in enumerate(policy.get("portLevelSettings", [])):
            yield from _of_client((*path, "trafficPolicy", "portLevelSettings", index, "tls"), setting.get("tls", {}))


def _of_client(path: Path, tls: Mapping[str, Any]) -> Limits:
    if tls.get("mode") == "ISTIO_MUTUAL":
        yield (*path, "mode"), _NO_MUTUAL
    if tls.get("caCrl"):
        yield (*path, "caCrl"), _NO_REVOCATION


def _of_gateway(spec: Mapping[str, Any]) -> Limits:
    for index, server in enumerate(spec.get("servers", [])):
        path, tls = ("servers", index, "tls"), server.get("tls", {})
        if tls.get("mode") == "ISTIO_MUTUAL":
            yield (*path, "mode"), _NO_MUTUAL
        if tls.get("mode") == "AUTO_PASSTHROUGH":
            yield (*path, "mode"), "AUTO_PASSTHROUGH is for calls between meshes, and the local mesh is one"
        if tls.get("caCrl"):
            yield (*path, "caCrl"), _NO_REVOCATION


def _of_sidecar(spec: Mapping[str, Any]) -> Limits:
    for field in ("ingress", "inboundConnectionPool"):
        if field in spec:
            yield (field,), "is not implemented by the local mesh yet"


_LIMITS: Mapping[str, Callable[[Mapping[str, Any]], Limits]] = {
    "DestinationRule": _of_destination_rule,
    "Gateway": _of_gateway,
    "Sidecar": _of_sidecar,
}
