"""What the local mesh translates but cannot run yet: refused by name when it is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from meshtest.resources.annotations import dry_run
from meshtest.resources.document import Path
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource

Spec = Mapping[str, Any]
Limits = Iterator[tuple[Path, str]]

_IDENTITY = (
    *("principals", "notPrincipals", "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts"),
    *("trustDomains", "notTrustDomains"),
)
_IDENTITY_KEYS = ("source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain")
_NO_IDENTITY = "cannot be run by the local mesh: its sidecars call without mutual TLS, so that callers have no identity"
_ADDRESSES, _ADDRESS_KEYS = (
    ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"),
    ("source.ip", "remote.ip"),
)
_NO_ADDRESSES = "cannot be run by the local mesh on this system: all workloads call from one address here"
_NO_MUTUAL_TLS = (
    "STRICT cannot be run by the local mesh: its sidecars call without mutual TLS, so that nobody would get in"
)
_NOT_MUTUAL = "ISTIO_MUTUAL cannot be run by the local mesh: its sidecars speak plain text to each other"
_ONE_MESH = "AUTO_PASSTHROUGH cannot be run by the local mesh: it is for calls between meshes"
_NO_REVOCATION = "cannot be run by the local mesh: it has no files of revoked certificates"
_NOT_BOUND = "cannot be run by the local mesh: it takes calls for the workload at one place only"


def check_limits(resources: Iterable[Resource], apart: bool) -> None:
    """Raise WrongResources for fields that would not do here what they do in a cluster.

    `apart` says that each workload calls from an address of its own (Linux).
    """
    problems = [Problem(each, *found, unsupported=True) for each in resources for found in _problems(each, apart)]
    if problems:
        raise WrongResources(problems)


def _problems(resource: Resource, apart: bool) -> Limits:
    if resource.kind == "PeerAuthentication":
        yield from _peer_authentication(resource)
    elif resource.kind == "AuthorizationPolicy" and not dry_run(resource) and resource.spec.get("action") != "AUDIT":
        yield from _authorization_policy(resource, _IDENTITY, _IDENTITY_KEYS, _NO_IDENTITY)
        if not apart:
            yield from _authorization_policy(resource, _ADDRESSES, _ADDRESS_KEYS, _NO_ADDRESSES)
    elif resource.kind in _OF_SPEC:
        yield from ((("spec", *path), why) for path, why in _OF_SPEC[resource.kind](resource.spec))


def _peer_authentication(resource: Resource) -> Limits:
    if resource.spec.get("mtls", {}).get("mode") == "STRICT":
        yield ("spec", "mtls", "mode"), _NO_MUTUAL_TLS
    for port, given in resource.spec.get("portLevelMtls", {}).items():
        if given.get("mode") == "STRICT":
            yield ("spec", "portLevelMtls", port, "mode"), _NO_MUTUAL_TLS


def _authorization_policy(resource: Resource, fields: Sequence[str], keys: Sequence[str], why: str) -> Limits:
    for index, rule in enumerate(resource.spec.get("rules", [])):
        at: Path = ("spec", "rules", index)
        for number, each in enumerate(rule.get("from", [])):
            for field in fields:
                if each["source"].get(field):
                    yield (*at, "from", number, "source", field), why
        for number, each in enumerate(rule.get("when", [])):
            if each["key"] in keys:
                yield (*at, "when", number, "key"), f"{each['key']} {why}"


def _sidecar(spec: Spec) -> Limits:
    for index, listener in enumerate(spec.get("ingress", [])):
        if listener.get("captureMode") == "NONE":
            yield ("ingress", index, "captureMode"), f"NONE {_NOT_BOUND}"


def _destination_rule(spec: Spec) -> Limits:
    places: list[tuple[Path, Spec]] = [((), spec)]
    places += [(("subsets", index), each) for index, each in enumerate(spec.get("subsets", []))]
    for path, place in places:
        policy = place.get("trafficPolicy", {})
        yield from _client((*path, "trafficPolicy", "tls"), policy.get("tls", {}))
        for index, setting in enumerate(policy.get("portLevelSettings", [])):
            yield from _client((*path, "trafficPolicy", "portLevelSettings", index, "tls"), setting.get("tls", {}))


def _client(path: Path, tls: Spec) -> Limits:
    if tls.get("mode") == "ISTIO_MUTUAL":
        yield (*path, "mode"), _NOT_MUTUAL
    if tls.get("caCrl"):
        yield (*path, "caCrl"), _NO_REVOCATION


def _gateway(spec: Spec) -> Limits:
    for index, server in enumerate(spec.get("servers", [])):
        path, tls = ("servers", index, "tls"), server.get("tls", {})
        if tls.get("mode") in _UNRUN_MODES:
            yield (*path, "mode"), _UNRUN_MODES[tls["mode"]]
        if tls.get("caCrl"):
            yield (*path, "caCrl"), _NO_REVOCATION


_UNRUN_MODES = {"ISTIO_MUTUAL": _NOT_MUTUAL, "AUTO_PASSTHROUGH": _ONE_MESH}
_OF_SPEC: Mapping[str, Callable[[Spec], Limits]] = {
    "Sidecar": _sidecar,
    "DestinationRule": _destination_rule,
    "Gateway": _gateway,
}
