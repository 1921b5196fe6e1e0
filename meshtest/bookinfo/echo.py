"""Any other workload, and hosts outside the mesh: says what it was asked, and who it is."""

from __future__ import annotations

from meshtest.bookinfo.message import Request, Response, json_response, plain_error
from meshtest.bookinfo.plan import Instance


class Echo:
    """Answers every method and path with a JSON description of the request."""

    def __init__(self, instance: Instance) -> None:
        self._external = instance.kind == "external"
        self._identity = {
            "podname": instance.says,
            "workload": instance.workload,
            "version": instance.version,
            "namespace": instance.namespace,
        }

    def answer(self, request: Request) -> Response:
        """200, whatever the request; but 400 in the clear for port 443, where the stand-in for all hosts cannot tell ports apart."""
        if self._external and request.tls is None and (request.header("host") or "").endswith(":443"):
            return plain_error(400)
        headers: dict[str, str] = {}
        for name, value in request.headers:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        asked: dict[str, object] = {
            "method": request.method,
            "path": request.target,
            "host": headers.get("host", ""),
            "headers": headers,
            "body": request.body.decode("utf-8", "replace"),
        }
        if request.tls is not None:
            asked["tls"] = request.tls
        return json_response({**self._identity, **asked})
