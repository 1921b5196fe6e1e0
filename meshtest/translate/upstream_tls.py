"""TLS towards a destination (`pilot/pkg/networking/core/cluster_tls.go`, `pilot/pkg/security/model/authentication.go`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtest.translate.secret import CA_SUFFIX, MESH_CERTIFICATE, MESH_ROOT, by_name, from_agent

Json = dict[str, Any]

_CONFIG_MAP = "configmap://"


@dataclass(frozen=True)
class Upstream:
    """What decides about the TLS of a cluster beside its settings.

    `server_name` is the SNI of mutual TLS within the mesh; `identities` are the SPIFFE names of the endpoints, or the names that
    a ServiceEntry gives; `entry` says that it is of one. `selected` says that the rule is for some workloads only.
    """

    server_name: str
    identities: Sequence[str]
    entry: bool
    gateway: bool
    selected: bool


def transport_socket(tls: Mapping[str, Any] | None, upstream: Upstream, http2: bool) -> Json | None:
    """The cluster's transport socket; None where it sends in the clear."""
    if tls is None:
        return None
    mode = tls.get("mode", "DISABLE")
    if mode == "ISTIO_MUTUAL":
        return _socket(_within_mesh(tls, upstream, http2))
    if mode not in ("SIMPLE", "MUTUAL"):
        return None
    credential = tls.get("credentialName", "")
    if credential and not credential.startswith(_CONFIG_MAP) and not upstream.gateway and not upstream.selected:
        return None  # istiod gives secrets to sidecars only where the rule selects them
    context = _to_others(tls, upstream, http2)
    return None if context is None else _socket(context)


def http_options(tls: Mapping[str, Any] | None, socket: Json | None) -> Json:
    """What TLS adds to HttpProtocolOptions: SNI and subject names follow the request's host where none are given."""
    if tls is None or tls.get("mode") not in ("SIMPLE", "MUTUAL") or socket is None:
        return {}
    out: Json = {}
    if not tls.get("sni"):
        out["auto_sni"] = True
        if not tls.get("subjectAltNames") and not tls.get("insecureSkipVerify"):
            out["auto_san_validation"] = True
    return {"upstream_http_protocol_options": out} if out else {}


def _socket(context: Json) -> Json:
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": kind, **context}}


def _versions() -> Json:
    return {"tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}}


def exact(names: Sequence[str]) -> Json:
    """Subject alternative names of which the other side must have one; empty for any."""
    return {"match_subject_alt_names": [{"exact": name} for name in names]} if names else {}


def _within_mesh(tls: Mapping[str, Any], upstream: Upstream, http2: bool) -> Json:
    names = tls["subjectAltNames"] if tls.get("subjectAltNames") else upstream.identities
    common = {
        **_versions(),
        "alpn_protocols": ["istio", "h2"] if http2 else ["istio"],
        "tls_certificate_sds_secret_configs": [from_agent(MESH_CERTIFICATE)],
        "combined_validation_context": {
            "default_validation_context": exact(names),
            "validation_context_sds_secret_config": from_agent(MESH_ROOT),
        },
    }
    return {"common_tls_context": common, "sni": tls.get("sni") or upstream.server_name}


def _to_others(tls: Mapping[str, Any], upstream: Upstream, http2: bool) -> Json | None:
    names = tls.get("subjectAltNames") or (upstream.identities if upstream.entry else [])
    mutual, trusting = tls["mode"] == "MUTUAL", bool(tls.get("insecureSkipVerify"))
    common = _versions()
    if credential := tls.get("credentialName"):
        if mutual:
            common["tls_certificate_sds_secret_configs"] = [by_name(credential)]
        if not trusting:
            common["combined_validation_context"] = {
                "default_validation_context": exact(names),
                "validation_context_sds_secret_config": by_name(credential + CA_SUFFIX),
            }
    else:
        if mutual:
            files = (tls.get("clientCertificate"), tls.get("privateKey"))
            if not all(files):
                return None
            common["tls_certificate_sds_secret_configs"] = [from_agent(f"file-cert:{files[0]}~{files[1]}")]
        if trusting:
            common["validation_context"] = {}
        else:
            revoked = {"crl": {"filename": tls["caCrl"]}} if tls.get("caCrl") else {}
            common["combined_validation_context"] = {
                "default_validation_context": {**exact(names), **revoked},
                "validation_context_sds_secret_config": from_agent(
                    f"file-root:{tls.get('caCertificates') or 'system'}"
                ),
            }
    if http2:
        common["alpn_protocols"] = ["h2"]
    sni = {"sni": tls["sni"]} if tls.get("sni") else {}
    return {"common_tls_context": common, **sni}
