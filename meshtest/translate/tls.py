"""The TLS that istiod asks of sidecars (`pilot/pkg/security/authn/utils`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_CIPHERS = [
    *("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    *("ECDHE-RSA-AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-GCM-SHA256"),
]
_SDS: Json = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def mutual_tls(trust_domains: Iterable[str]) -> Json:
    """The transport socket by which a sidecar proves itself and asks its caller to: anybody of these trust domains."""
    names = [{"prefix": f"spiffe://{each}/"} for each in dict.fromkeys(trust_domains)]
    trusted: Json = {
        "default_validation_context": {"match_subject_alt_names": names},
        "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": _SDS},
    }
    common: Json = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_2",
            "tls_maximum_protocol_version": "TLSv1_3",
            "cipher_suites": _CIPHERS,
        },
        "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": _SDS}],
        "combined_validation_context": trusted,
    }
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    context = {"@type": kind, "common_tls_context": common, "require_client_certificate": True}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}
