"""How connections to a destination are secured (`ClientTLSSettings`; `ValidateTLS` in `pkg/config/validation/agent/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import FLAG, TEXT, Enum, ListOf, Message, Report

CONFIG_MAP = "configmap://"


def _unverified(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    mode = spec.get("mode")
    if not spec.get("insecureSkipVerify") or mode not in ("SIMPLE", "MUTUAL"):
        return
    also = ("credentialName",) if mode == "SIMPLE" else ()
    for key in ("caCertificates", "subjectAltNames", *also):
        if spec.get(key):
            report((*path, key), "has no effect with insecureSkipVerify: true, by which nothing is verified: keep one")


def _certificates(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    mode = spec.get("mode")
    if mode in ("SIMPLE", "MUTUAL") and spec.get("credentialName"):
        for key in ("clientCertificate", "privateKey", "caCertificates", "caCrl"):
            if spec.get(key):
                report((*path, key), f"{key!r} and 'credentialName' both say where certificates are: keep one")
    elif mode == "MUTUAL":
        for key in ("clientCertificate", "privateKey"):
            if not spec.get(key):
                report(path, f"the mode MUTUAL needs a {key!r}, or a `credentialName`")


CLIENT_TLS = Message(
    {
        "mode": Enum(("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")),
        "clientCertificate": TEXT,
        "privateKey": TEXT,
        "caCertificates": TEXT,
        "credentialName": TEXT,
        "subjectAltNames": ListOf(TEXT),
        "sni": TEXT,
        "insecureSkipVerify": FLAG,
        "caCrl": TEXT,
    },
    rules=(_unverified, _certificates),
    nullable=("insecureSkipVerify",),
    form="{mode: ISTIO_MUTUAL}",
)


def own_config_map(tls: Mapping[str, Any], namespace: str, path: Path, report: Report) -> None:
    """A ConfigMap that holds certificates is one of the namespace of the resource."""
    name = tls.get("credentialName", "")
    if name.startswith(CONFIG_MAP):
        own, _, rest = name.removeprefix(CONFIG_MAP).partition("/")
        if own != namespace or not rest.partition("/")[0]:
            report(
                (*path, "credentialName"),
                f"must name a ConfigMap of the namespace of the rule, {CONFIG_MAP}{namespace}/NAME; this is {name!r}",
            )
