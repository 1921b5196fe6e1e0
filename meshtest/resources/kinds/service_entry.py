"""What a ServiceEntry may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.export_to import exported_once
from meshtest.resources.kinds.port import HTTP_PROTOCOLS, TLS_PROTOCOLS, Protocol
from meshtest.resources.kinds.unix_socket import UNIX
from meshtest.resources.kinds.workload_entry import WORKLOAD_ENTRY
from meshtest.resources.kinds.workload_selector import WORKLOAD_SELECTOR
from meshtest.resources.resource import Resource
from meshtest.resources.schema import PORT, TEXT, Enum, ListOf, Message, Report, Text, Type

_DYNAMIC_PROTOCOLS = ("HTTP", "TLS", "GRPC", "HTTP2")


def _host(text: str) -> str | None:
    return "must name a host: * alone is not allowed here" if text == "*" else name.host(text)


def _export(text: str) -> str | None:
    return None if text == "~" else name.namespace(text)


def _ports_differ(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for key in ("name", "number"):
        seen = set()
        for index, port in enumerate(spec.get("ports", [])):
            if port[key] in seen:
                report(
                    (*path, "ports", index, key), f"the {key} {port[key]!r} is used by a port before: ports must differ"
                )
            seen.add(port[key])


def _addresses(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    resolution = spec.get("resolution", "NONE")
    for index, each in enumerate(spec.get("addresses", [])):
        if "/" in each and resolution not in ("NONE", "STATIC"):
            report(
                (*path, "addresses", index),
                f"a range of addresses is allowed for the resolutions NONE and STATIC only; this is {resolution}",
            )


def _hosts(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """Several hosts behind a port can be told apart by what HTTP or TLS says of them only."""
    if len(spec["hosts"]) == 1 or spec.get("resolution", "NONE") == "NONE":
        return
    for index, port in enumerate(spec.get("ports", [])):
        if port.get("protocol", "") not in (*HTTP_PROTOCOLS, *TLS_PROTOCOLS):
            report(
                (*path, "ports", index),
                f"{len(spec['hosts'])} hosts cannot share a port that speaks neither HTTP nor TLS: "
                "give it its protocol, or each host a ServiceEntry of its own",
            )


def _endpoints(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    resolution = spec.get("resolution", "NONE")
    given: list[Mapping[str, Any]] = spec.get("endpoints", [])
    if "endpoints" in spec and (resolution == "NONE" or (resolution == "DYNAMIC_DNS" and given)):
        report(
            (*path, "endpoints"),
            f"cannot be given for the resolution {resolution}: set `resolution` to STATIC (addresses) or DNS (names)",
        )
    if resolution == "DNS_ROUND_ROBIN" and len(given) > 1:
        report((*path, "endpoints"), "the resolution DNS_ROUND_ROBIN takes one endpoint at most; use DNS for several")
    if resolution not in ("STATIC", "DNS", "DNS_ROUND_ROBIN"):
        return
    ports = {port["name"] for port in spec.get("ports", [])}
    for index, endpoint in enumerate(given):
        here = (*path, "endpoints", index)
        for message in _address(endpoint.get("address", ""), resolution, len(ports)):
            report((*here, "address"), message)
        for port in endpoint.get("ports", {}):
            if port not in ports:
                known = ", ".join(sorted(ports)) or "none"
                report((*here, "ports", port), f"no port of this ServiceEntry is named {port!r}; there are: {known}")


def _address(address: str, resolution: str, ports: int) -> Iterator[str]:
    if resolution == "STATIC":
        if address.startswith(UNIX):
            if ports != 1:
                yield f"behind a Unix socket there must be one port; this ServiceEntry has {ports}"
        elif address and not name.address(address):
            yield f"must be an IP address where the resolution is STATIC; this is {address!r}: use DNS for names"
    elif not name.address(address) and name.fqdn(address):
        yield f"must be an IP address or a host name without wildcards; this is {address!r}"


def _resolvable(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    resolution = spec.get("resolution", "NONE")
    if resolution not in ("DNS", "DNS_ROUND_ROBIN") or spec.get("endpoints"):
        return
    for index, host in enumerate(spec["hosts"]):
        if name.fqdn(host):
            report(
                (*path, "hosts", index),
                f"{host!r} cannot be looked up in DNS: give `endpoints`, name one host, or set `resolution` to NONE",
            )


def _dynamic(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("resolution", "NONE") != "DYNAMIC_DNS":
        return
    for index, host in enumerate(spec["hosts"]):
        if not host.startswith("*"):
            report(
                (*path, "hosts", index), f"must begin with a wildcard for the resolution DYNAMIC_DNS; this is {host!r}"
            )
    if spec.get("addresses"):
        report((*path, "addresses"), "cannot be given for the resolution DYNAMIC_DNS")
    for index, port in enumerate(spec.get("ports", [])):
        if port.get("protocol", "") not in _DYNAMIC_PROTOCOLS:
            report(
                (*path, "ports", index),
                f"must have one of the protocols {', '.join(_DYNAMIC_PROTOCOLS)} for the resolution DYNAMIC_DNS",
            )


SERVICE_PORT = Message(
    {
        "number": PORT,
        "name": Text(name.label, most=256),
        "protocol": Protocol(empty=True),
        "targetPort": PORT,
    },
    required=("number", "name"),
    form="{number: 443, name: tls, protocol: TLS}",
)

SERVICE_ENTRY: Type = Message(
    {
        "hosts": ListOf(Text(_host), least=1, most=256),
        "addresses": ListOf(Text(name.subnet, most=64), most=256),
        "ports": ListOf(SERVICE_PORT, most=256),
        "location": Enum(("MESH_EXTERNAL", "MESH_INTERNAL")),
        "resolution": Enum(("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"), later=("DYNAMIC_DNS",)),
        "endpoints": ListOf(WORKLOAD_ENTRY, most=4096),
        "workloadSelector": WORKLOAD_SELECTOR,
        "exportTo": ListOf(Text(_export)),
        "subjectAltNames": ListOf(TEXT),
    },
    required=("hosts",),
    one_of=(("workloadSelector", "endpoints"),),
    rules=(_ports_differ, _addresses, _hosts, _endpoints, _resolvable, _dynamic, exported_once),
)


def dynamic_without_waypoint(resource: Resource, report: Report) -> None:
    """Names that are looked up per request cannot be inside a mesh where a waypoint stands before them (`usesWaypoint`)."""
    inside = resource.spec.get("location") == "MESH_INTERNAL" and resource.spec.get("resolution") == "DYNAMIC_DNS"
    if inside and resource.labels.get("istio.io/use-waypoint", "none").lower() not in ("", "none"):
        report(("spec", "location"), "MESH_INTERNAL cannot be combined with DYNAMIC_DNS where a waypoint is used")
