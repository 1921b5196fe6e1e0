"""What a Sidecar may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.connection_pool import CONNECTION_POOL
from meshtest.resources.kinds.destination import DESTINATION
from meshtest.resources.kinds.port import TLS_PROTOCOLS, NoTarget, Protocol
from meshtest.resources.kinds.server_tls import SERVER_TLS
from meshtest.resources.kinds.unix_socket import UNIX, Address
from meshtest.resources.kinds.workload_selector import WORKLOAD_SELECTOR
from meshtest.resources.schema import TEXT, UINT32, Enum, ListOf, Message, Report, Text, Type

_LOCAL = re.compile(r"(?:127\.0\.0\.1|0\.0\.0\.0|\[(?:127\.0\.0\.1|0\.0\.0\.0|::1?)?\])?:\+?([0-9]+)")
CAPTURE_MODE = Enum(("DEFAULT", "IPTABLES", "NONE"))
BIND = Address(lambda text: name.ip_address_only(text) if text else None)

LISTENER_PORT = Message(
    {
        "number": UINT32,
        "name": Text(lambda text: name.label(text) if text else None),
        "protocol": Protocol(empty=True),
        "targetPort": NoTarget(),
    },
    form="{number: 9080, name: http, protocol: HTTP}",
)


def _endpoint(text: str) -> str | None:
    found = _LOCAL.fullmatch(text)
    if not text or (found and 0 < int(found[1]) < 65536):
        return None
    return f"must be 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///PATH; this is {text!r}"


def _listening_port(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not 0 < (number := spec["port"].get("number", 0)) < 65536:
        report((*path, "port", "number"), f"must be from 1 to 65535; this is {number}")
    if spec.get("bind", "").startswith(UNIX):
        report((*path, "bind"), "must be an IP address: a Sidecar cannot take traffic in from a Unix socket")


def _secured(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    tls: Mapping[str, Any] | None = spec.get("tls")
    if tls is None:
        return
    for key in ("subjectAltNames", "httpsRedirect", "credentialName", "credentialNames", "tlsCertificates"):
        if tls.get(key):
            report((*path, "tls", key), "cannot be set in a Sidecar: certificates are files of the workload there")
    if (mode := tls.get("mode")) in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH"):
        report((*path, "tls", "mode"), f"the mode {mode} is for gateways only")
    if (protocol := spec["port"].get("protocol", "")) not in TLS_PROTOCOLS:
        report(
            (*path, "tls"),
            f"only ports of the protocols HTTPS and TLS have `tls`; this one's is {protocol or 'not given'}",
        )


INGRESS = Message(
    {
        "port": LISTENER_PORT,
        "bind": BIND,
        "captureMode": CAPTURE_MODE,
        "defaultEndpoint": Address(_endpoint),
        "tls": SERVER_TLS,
        "connectionPool": CONNECTION_POOL,
    },
    required=("port",),
    rules=(_listening_port, _secured),
)


def _egress_port(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "port" not in spec:
        return
    number, bind = spec["port"].get("number", 0), spec.get("bind", "")
    if number == 0 and not bind.startswith(UNIX):
        report((*path, "port", "number"), "must be from 1 to 65535; only a listener on a Unix socket has no port")
    if number == 0 and spec.get("captureMode") == "IPTABLES":
        report((*path, "captureMode"), "must be DEFAULT or NONE for a Unix socket")
    if number > 65535:
        report((*path, "port", "number"), f"must be from 1 to 65535; this is {number}")
    if number and bind.startswith(UNIX):
        report((*path, "bind"), "must be an IP address where the port has a number; on a Unix socket it has none")
    elif bind:
        BIND.read(bind, (*path, "bind"), report)


# Where there is no port, istiod does not look at `bind`.
EGRESS = Message(
    {
        "port": LISTENER_PORT,
        "bind": TEXT,
        "captureMode": CAPTURE_MODE,
        "hosts": ListOf(Text(name.egress_host), least=1),
    },
    required=("hosts",),
    rules=(_egress_port,),
    form="{hosts: [./*]}",
)


def _egress_proxy(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    proxy = spec.get("egressProxy")
    if proxy is None:
        return
    if spec.get("mode") != "ALLOW_ANY":
        report((*path, "egressProxy"), "counts only where `mode` is ALLOW_ANY")
    if wrong := name.fqdn(proxy["host"]):
        report((*path, "egressProxy", "host"), wrong)
    if "port" not in proxy:
        report((*path, "egressProxy"), "the field 'port' is missing")


OUTBOUND_TRAFFIC_POLICY = Message(
    {"mode": Enum(("REGISTRY_ONLY", "ALLOW_ANY")), "egressProxy": DESTINATION},
    rules=(_egress_proxy,),
    form="{mode: REGISTRY_ONLY}",
)


def _says_something(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.get(key) for key in ("egress", "ingress")) and not spec.keys() & {
        "outboundTrafficPolicy",
        "inboundConnectionPool",
    }:
        report(path, "says nothing: give it `egress`, `ingress`, outboundTrafficPolicy or inboundConnectionPool")


def _ports_differ(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    for way in ("ingress", "egress"):
        seen = set()
        for index, listener in enumerate(spec.get(way, [])):
            if "port" not in listener:
                continue
            number = listener["port"].get("number", 0)
            key = number or listener.get("bind", "")
            if key in seen:
                report((*path, way, index, "port"), f"{key} is taken by a listener before: ports must differ")
            seen.add(key)


def _catch_all_last(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    egress = spec.get("egress", [])
    for index, listener in enumerate(egress[:-1]):
        if "port" not in listener:
            report((*path, "egress", index), "a listener without a port is for all other traffic: it must be the last")


SIDECAR: Type = Message(
    {
        "workloadSelector": WORKLOAD_SELECTOR,
        "ingress": ListOf(INGRESS),
        "egress": ListOf(EGRESS),
        "inboundConnectionPool": CONNECTION_POOL,
        "outboundTrafficPolicy": OUTBOUND_TRAFFIC_POLICY,
    },
    rules=(_says_something, _ports_differ, _catch_all_last),
)
