"""Resources of a Kubernetes API server: server-side apply, delete and read."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

import yaml

TOKEN = "istiod-tests"  # known to all: the server listens in a network namespace of its own
ADDRESS = ("127.0.0.1", 6443)
# One owner for all fields, so that applying the topology's document again takes back what a case changed of it.
MANAGER = "tests"


class Refused(Exception):
    """The API server's answer, in its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Document:
    """One YAML document as it was written, and what it holds."""

    text: str
    content: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Group and version, kind, namespace, name."""
        metadata = self.content.get("metadata") or {}
        return (
            str(self.content.get("apiVersion")),
            str(self.content.get("kind")),
            str(metadata.get("namespace") or "default"),
            str(metadata.get("name")),
        )

    @property
    def group(self) -> str:
        """Kubernetes' own group is empty."""
        api_version = self.key[0]
        return api_version.split("/")[0] if "/" in api_version else ""


def documents(text: str) -> list[Document]:
    """The documents of a manifest that hold something."""
    found = []
    for part in _parts(text):
        content = yaml.safe_load(part)
        if content:
            found.append(Document(part, content))
    return found


def _parts(text: str) -> list[str]:
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line == "---" or line.startswith("--- "):
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(part) + "\n" for part in parts]


class ApiServer:
    """A connection to the API server; not for several threads."""

    def __init__(self) -> None:
        self._connection = http.client.HTTPSConnection(*ADDRESS, context=_trusting(), timeout=30)
        self._resources: dict[str, dict[str, dict[str, Any]]] = {}

    def request(self, method: str, path: str, body: str | None = None, content_type: str = "application/json") -> Any:
        """The answer's JSON; Refused for any status but 2xx."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type, "Accept": "application/json"}
        call = (method, path, body.encode() if body is not None else None, headers)
        try:
            answer, content = self._exchange(*call)
        except (OSError, http.client.HTTPException):  # the server closes connections that have been idle for long
            self._connection.close()
            answer, content = self._exchange(*call)
        if answer.status >= 300:
            raise Refused(answer.status, _message(content))
        return json.loads(content) if content[:1] in (b"{", b"[") else content.decode()

    def _exchange(self, *call: Any) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(*call)
        answer = self._connection.getresponse()
        return answer, answer.read()

    def apply(self, document: Document) -> dict[str, Any]:
        """Creates or changes a resource, its status too, as `kubectl apply --server-side --validate=strict` does."""
        path = self._path(document)
        question = f"?fieldManager={MANAGER}&force=true&fieldValidation=Strict"
        kind = "application/apply-patch+yaml"
        done: dict[str, Any] = self.request("PATCH", path + question, document.text, kind)
        if "status" in document.content:
            done = self.request("PATCH", f"{path}/status{question}", document.text, kind)
        return done

    def delete(self, document: Document) -> None:
        """Deletes a resource, at once, if it is there."""
        try:
            path = self._path(document)
            self.request("DELETE", path, json.dumps({"gracePeriodSeconds": 0, "propagationPolicy": "Background"}))
            if document.content["kind"] == "Namespace":  # no controller is there to empty and finish it
                left = self.request("GET", path)
                left["spec"]["finalizers"] = []
                self.request("PUT", f"{path}/finalize", json.dumps(left))
        except Refused as error:
            if error.status != 404:
                raise

    def serves(self, group: str, version: str) -> bool:
        """Whether a group's version is there, which it is a moment after its kinds have been defined."""
        try:
            return bool(self.request("GET", f"/apis/{group}/{version}")["resources"])
        except Refused:
            return False

    def _path(self, document: Document) -> str:
        api_version, kind, namespace, name = document.key
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        resource = self._resource(root, kind)
        space = f"/namespaces/{namespace}" if resource["namespaced"] else ""
        return f"{root}{space}/{resource['name']}/{name}"

    def _resource(self, root: str, kind: str) -> dict[str, Any]:
        if kind not in self._resources.get(root, {}):
            found = self.request("GET", root)["resources"]
            self._resources[root] = {each["kind"]: each for each in found if "/" not in each["name"]}
        if kind not in self._resources[root]:
            raise Refused(404, f"no kind {kind} in {root}")
        return self._resources[root][kind]


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content).get("message"))
    except ValueError:
        return content.decode(errors="replace")[:500]
