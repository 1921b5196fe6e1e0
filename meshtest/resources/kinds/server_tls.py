"""How a server terminates TLS (`ServerTLSSettings`; `validateTLSOptions` in `pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import FLAG, TEXT, Enum, ListOf, Message, Report

VERSIONS = ("TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")
TERMINATING = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_FILES = ("serverCertificate", "privateKey", "caCertificates")


def _own_certificates(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("mode") != "ISTIO_MUTUAL":
        return
    for key in (*_FILES, "tlsCertificates", "credentialName", "credentialNames"):
        if spec.get(key):
            report((*path, key), "the mode ISTIO_MUTUAL uses Istio's own certificates: take it away")


def _one_source(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    sources = [key for key in ("credentialName", "credentialNames", "tlsCertificates") if spec.get(key)]
    if spec.get("serverCertificate") and spec.get("privateKey"):
        sources.append("serverCertificate")
    if len(sources) > 1 and spec.get("mode") != "ISTIO_MUTUAL":
        report((*path, sources[1]), f"{sources[1]!r} and {sources[0]!r} both say where certificates are: keep one")


def _certificates(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    mode = spec.get("mode", "PASSTHROUGH")
    if mode == "ISTIO_MUTUAL" or (mode in TERMINATING and (spec.get("credentialName") or spec.get("credentialNames"))):
        return
    if mode in ("MUTUAL", "OPTIONAL_MUTUAL") and not spec.get("caCertificates"):
        report(path, f"the mode {mode} needs `caCertificates` to verify clients with, or a `credentialName`")
    several = spec.get("tlsCertificates", [])
    for index, each in enumerate(several or [spec]) if mode in TERMINATING else ():
        here = (*path, "tlsCertificates", index) if several else path
        for key in ("serverCertificate", "privateKey"):
            if not each.get(key):
                report(here, f"the mode {mode} needs a {key!r}, or a `credentialName`")
    if spec.get("caCrl"):
        for wrong, what in ((spec.get("credentialName"), "credentialName"), (mode == "SIMPLE", "the mode SIMPLE")):
            if wrong:
                report((*path, "caCrl"), f"a list of revoked certificates cannot be given beside {what}")


SERVER_TLS = Message(
    {
        "httpsRedirect": FLAG,
        "mode": Enum(("PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL")),
        "serverCertificate": TEXT,
        "privateKey": TEXT,
        "caCertificates": TEXT,
        "caCrl": TEXT,
        "credentialName": TEXT,
        "credentialNames": ListOf(TEXT, least=1, most=2),
        "caCertCredentialName": TEXT,
        "tlsCertificates": ListOf(
            Message({"serverCertificate": TEXT, "privateKey": TEXT, "caCertificates": TEXT}), least=1, most=2
        ),
        "subjectAltNames": ListOf(TEXT),
        "verifyCertificateSpki": ListOf(TEXT),
        "verifyCertificateHash": ListOf(TEXT),
        "minProtocolVersion": Enum(VERSIONS),
        "maxProtocolVersion": Enum(VERSIONS),
        "cipherSuites": ListOf(TEXT),
        "insecureSkipVerify": FLAG,
    },
    one_of=(("tlsCertificates", "credentialNames"), ("credentialName", "credentialNames")),
    rules=(_own_certificates, _one_source, _certificates),
    nullable=("insecureSkipVerify",),
    form="{mode: SIMPLE, credentialName: my-cert}",
)
