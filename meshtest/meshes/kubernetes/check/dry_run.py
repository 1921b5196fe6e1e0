"""What the API server, and the webhooks behind it, would make of an object: asked in dry runs, which leave nothing."""

from __future__ import annotations

import secrets

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Refused
from meshtest.meshes.kubernetes.check.seen import Json

_SMALL = {"cpu": "1m", "memory": "8Mi"}  # quotas may ask for limits
_HARMLESS = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}  # as the standard "restricted" wants it


def new_pod(api: Api, namespace: str) -> Json | str:
    """A pod as it would be made now; the refusal's words if it is refused."""
    container = {
        "name": "meshtest",
        "image": "meshtest",
        "resources": {"limits": _SMALL, "requests": _SMALL},
        "securityContext": _HARMLESS,
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _name(), "labels": {"app": "meshtest"}},
        "spec": {"containers": [container], "securityContext": security},
    }
    try:
        pod: Json = api.send("POST", f"/api/v1/namespaces/{namespace}/pods", body, dryRun="All")
    except Refused as refused:
        return refused.said
    except MeshError as error:  # a webhook that does not answer is a 500, repeated until patience ends
        return str(error)
    return pod


def virtual_services(api: Api, namespace: str) -> tuple[str, bool]:
    """Why a right VirtualService is refused (empty if it is taken), and whether istiod refuses a wrong one that its schema allows."""
    refusal = _refusal(api, namespace, "meshtest.invalid")
    return refusal, not refusal and "wildcard host * is not allowed" in _refusal(api, namespace, "*")


def _refusal(api: Api, namespace: str, host: str) -> str:
    """Why a VirtualService for a host, bound to no gateway, is refused."""
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": _name()},
        "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": "meshtest"}}]}]},
    }
    try:
        api.send("POST", f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices", body, dryRun="All")
    except Refused as refused:
        return refused.said
    except MeshError as error:
        return str(error)
    return ""


def _name() -> str:
    return f"meshtest-check-{secrets.token_hex(4)}"
