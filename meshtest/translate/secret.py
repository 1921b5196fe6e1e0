"""How certificates reach a proxy: by name, from the agent beside it or from istiod (`pilot/pkg/security/model/authentication.go`)."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

MESH_CERTIFICATE, MESH_ROOT = "default", "ROOTCA"
CA_SUFFIX = "-cacert"
_BUILT_IN, _EXTERNAL = "builtin://", "sds://"
_ISTIOD: Json = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
_AGENT: Json = {
    "api_config_source": {
        "api_type": "GRPC",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
        "set_node_on_first_message_only": True,
        "transport_api_version": "V3",
    },
    "initial_fetch_timeout": "0s",
    "resource_api_version": "V3",
}


def from_agent(name: str) -> Json:
    """A secret that the agent beside the proxy has: the mesh's own certificate and root, or files (`file-cert:CERT~KEY`)."""
    return {"name": name, "sds_config": _AGENT}


def from_istiod(name: str) -> Json:
    """A Kubernetes secret, that istiod reads."""
    return {"name": name, "sds_config": _ISTIOD}


def by_name(credential: str) -> Json:
    """The secret for a `credentialName`."""
    if credential in (_BUILT_IN, _BUILT_IN + CA_SUFFIX):
        return from_agent(MESH_CERTIFICATE if credential == _BUILT_IN else MESH_ROOT)
    name = credential.removeprefix(_EXTERNAL)
    return from_istiod(name if "://" in name else f"kubernetes://{name}")
