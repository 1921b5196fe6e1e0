"""What a proxy in a pod says of itself: Envoy's administration interface, on the pod's loopback address."""

from __future__ import annotations

import http.client

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api

PORT = 15000
_DEADLINE = 20.0  # seconds


def ask(api: Api, namespace: str, pod: str, path: str, method: str = "GET") -> str:
    """What it answers; MeshError if nobody does, or not well."""
    connection = http.client.HTTPConnection("localhost", PORT, timeout=_DEADLINE)
    connection.sock = api.forward(namespace, pod, PORT)
    connection.sock.settimeout(_DEADLINE)
    try:
        connection.request(method, path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise MeshError(
            f"the proxy of pod {namespace}/{pod} does not answer {method} {path} on port {PORT} "
            f"({error or type(error).__name__}): has it a sidecar? `istioctl proxy-status` lists them"
        ) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise MeshError(
            f"the proxy of pod {namespace}/{pod} answers {method} {path} with {answer.status}: {body.strip()}"
        )
    return body
