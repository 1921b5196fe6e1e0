"""TLS that a gateway takes (`BuildListenerTLSContext` in `listener.go`, `pilot/pkg/security/model/authentication.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.translate.secret import CA_SUFFIX, MESH_CERTIFICATE, MESH_ROOT, by_name, from_agent
from meshtest.translate.upstream_tls import exact

Json = dict[str, Any]

# As with PILOT_DISABLE_MX_ALPN: without the metadata exchange of Istio's own Envoy nobody offers istio-peer-exchange.
_ALPN = ["h2", "http/1.1"]
_VERSIONS = {"TLSV1_0": "TLSv1_0", "TLSV1_1": "TLSv1_1", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}


_CIPHERS = (
    *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
    *("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"),
    *("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA"),
)


def transport_socket(tls: Mapping[str, Any]) -> Json:
    """The socket of a server that ends TLS."""
    mode = tls.get("mode", "")
    asks = mode in ("MUTUAL", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL")
    common: Json = {"alpn_protocols": _ALPN}
    if mode != "ISTIO_MUTUAL" and (tls.get("credentialNames") or tls.get("credentialName")):
        common |= _from_secrets(tls, mode)
    else:
        common |= _from_files(tls if mode != "ISTIO_MUTUAL" else _without_files(tls), asks)
    if mode != "ISTIO_MUTUAL" and (params := _parameters(tls)):
        common["tls_params"] = params
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    required = mode in ("MUTUAL", "ISTIO_MUTUAL")
    context = {"@type": kind, "common_tls_context": common, "require_client_certificate": required}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _without_files(tls: Mapping[str, Any]) -> Mapping[str, Any]:
    files = ("serverCertificate", "privateKey", "caCertificates", "tlsCertificates")
    return {key: value for key, value in tls.items() if key not in files}


def _from_secrets(tls: Mapping[str, Any], mode: str) -> Json:
    """Certificates from Kubernetes secrets; of several names the first one's CA counts."""
    names = tls.get("credentialNames") or [tls["credentialName"]]
    out: Json = {"tls_certificate_sds_secret_configs": [by_name(each) for each in names]}
    if mode in ("MUTUAL", "OPTIONAL_MUTUAL"):
        wanted = exact(tls.get("subjectAltNames", []))
        for field, key in (("verifyCertificateSpki", "spki"), ("verifyCertificateHash", "hash")):
            if tls.get(field):
                wanted[f"verify_certificate_{key}"] = tls[field]
        ca = tls.get("caCertCredentialName") or names[0] + CA_SUFFIX
        out["combined_validation_context"] = {
            "default_validation_context": {**wanted, **_trusting(tls)},
            "validation_context_sds_secret_config": by_name(ca),
        }
    elif tls.get("subjectAltNames"):
        out["validation_context"] = exact(tls["subjectAltNames"])
    return out


def _from_files(tls: Mapping[str, Any], asks: bool) -> Json:
    """Certificates from files in the gateway's pod; where none are named those of the mesh."""
    pairs = tls.get("tlsCertificates") or [tls]
    found = [_certificate(each.get("serverCertificate", ""), each.get("privateKey", "")) for each in pairs]
    out: Json = {"tls_certificate_sds_secret_configs": found}
    if asks:
        revoked = {"crl": {"filename": tls["caCrl"]}} if tls.get("caCrl") else {}
        root = f"file-root:{tls['caCertificates']}" if tls.get("caCertificates") else MESH_ROOT
        out["combined_validation_context"] = {
            "default_validation_context": {**exact(tls.get("subjectAltNames", [])), **revoked, **_trusting(tls)},
            "validation_context_sds_secret_config": from_agent(root),
        }
    return out


def _certificate(certificate: str, key: str) -> Json:
    return from_agent(f"file-cert:{certificate}~{key}" if certificate and key else MESH_CERTIFICATE)


def _trusting(tls: Mapping[str, Any]) -> Json:
    return {"trust_chain_verification": "ACCEPT_UNTRUSTED"} if tls.get("insecureSkipVerify") else {}


def _parameters(tls: Mapping[str, Any]) -> Json:
    """Versions and ciphers, as far as they are given; a cipher that istiod does not know, or that is named twice, is left out."""
    out: Json = {}
    for field, key in (("minProtocolVersion", "minimum"), ("maxProtocolVersion", "maximum")):
        if tls.get(field, "TLS_AUTO") != "TLS_AUTO":
            out[f"tls_{key}_protocol_version"] = _VERSIONS[tls[field]]
    if ciphers := list(dict.fromkeys(filter(_known, tls.get("cipherSuites", [])))):
        out["cipher_suites"] = ciphers
    return out


def _known(cipher: str) -> bool:
    """`IsValidCipherSuite` in `pkg/config/security/security.go`: names, and expressions such as `-ALL`."""
    return cipher in ("", "ALL", *_CIPHERS) or not cipher[0].isalnum()
