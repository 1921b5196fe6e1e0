"""What a VirtualService may say, after Istio's CRD and its validation (`pkg/config/validation/virtualservice.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.export_to import EXPORT_TO, exported_once
from meshtest.resources.kinds.http_route import HTTP_ROUTE
from meshtest.resources.schema import ListOf, Message, Report, Text, Type, Unsupported


def _hosts_apart(hosts: list[str], path: Path, report: Report) -> None:
    """No host stands twice, or is covered by a wildcard beside it."""
    wildcards = {host for host in hosts if host.startswith("*")}
    seen: set[str] = set()
    for index, host in enumerate(hosts):
        rest = host.removeprefix("*")
        wider = ("*" + rest[begin:] for begin in range(len(rest) + 1))
        cover = host if host in seen else next((each for each in wider if each in wildcards and each != host), None)
        if cover:
            report((*path, index), f"{host!r} is covered by {cover!r} beside it: keep one of the two")
        seen.add(host)


def _hosts(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    hosts, gateways = spec.get("hosts", []), spec.get("gateways") or ["mesh"]
    if not hosts and spec.get("gateways"):
        report(
            path,
            "a VirtualService without hosts is a delegate, which must have no gateways: name the hosts, or take the gateways away",
        )
    if "*" in hosts and "mesh" in gateways:
        report(
            (*path, "hosts", hosts.index("*")),
            "the host * is not allowed on the mesh: bind it to gateways only, or name the hosts",
        )
    _hosts_apart(hosts, (*path, "hosts"), report)
    if not any(spec.get(key) for key in ("http", "tcp", "tls")):
        report(path, "says nothing: give it `http` rules")


VIRTUAL_SERVICE: Type = Message(
    {
        "hosts": ListOf(Text(name.host_or_address)),
        "gateways": ListOf(Text(name.gateway)),
        "http": ListOf(HTTP_ROUTE),
        "tls": Unsupported(),
        "tcp": Unsupported(),
        "exportTo": EXPORT_TO,
    },
    rules=(_hosts, exported_once),
)
