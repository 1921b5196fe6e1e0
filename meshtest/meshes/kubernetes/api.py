"""The API server of a cluster, by the official client: the only place that imports it.

Everything here is plain JSON in and out. A request that may be repeated is repeated while the failure may be a passing one; then a
MeshError says what was asked, of whom and how often.
"""

from __future__ import annotations

import copy
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import urllib3
import yaml
from kubernetes import config
from kubernetes.client import ApiClient, ApiException, Configuration
from kubernetes.stream.ws_client import PortForward, WSClient, create_websocket, get_websocket_url
from websocket import WebSocketBadStatusException, WebSocketException

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.repeating import PASSING, Exhausted, Passing, repeat, retry_after

Json = Any
T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a request is repeated: an API server that is started anew takes 10 to 30."""
CONNECT, READ = 5.0, 30.0  # seconds for one attempt
PAGE = 500  # objects of one answer, as kubectl asks for


class Missing(MeshError):
    """The API server has no such object, or no such kind (404)."""


class Unreachable(MeshError):
    """No answer of use within our patience."""


class Refused(MeshError):
    """The API server understood, and refused: its own words.

    `status` is the HTTP status, `reason` its one word (`Conflict`, `Invalid`, `Forbidden`, ...), `said` its sentence and `causes` what it
    found field by field (`field`, `message`, `reason`), empty if it did not say.
    """

    def __init__(self, asked: str, status: int, body: Json) -> None:
        told: Mapping[str, Any] = body if isinstance(body, dict) else {}
        self.status = status
        self.reason: str = told.get("reason") or ""
        self.said: str = told.get("message") or str(body).strip()
        self.causes: list[Mapping[str, str]] = (told.get("details") or {}).get("causes") or []
        super().__init__(f"{asked}: refused ({status} {self.reason}): {self.said}{_remedy(status)}")


class _Expired(Refused):
    """The server does not know who asks (401): the credentials that `client` was made with may have expired."""

    def __init__(self, asked: str, status: int, body: Json, client: ApiClient) -> None:
        super().__init__(asked, status, body)
        self.client = client


def _remedy(status: int) -> str:
    return {
        401: "; log in anew, or name another --kube-context",
        403: "; `meshtest check` lists the rights that are missing",
    }.get(status, "")


class _Unverified(urllib3.connection.HTTPSConnection):
    """The user's kubeconfig says that certificates are not looked at: urllib3 need not warn of each request, as kubectl does not."""

    @property  # a connection that is closed and opened again would lose an attribute
    def proxy_is_verified(self) -> bool:
        """What urllib3 looks at before it warns."""
        return True

    @proxy_is_verified.setter
    def proxy_is_verified(self, value: bool | None) -> None:
        pass


class _UnverifiedPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Unverified


class Api:
    """The API server of one context of the user's kubeconfig, or that of the pod's own service account.

    Threads may share one. `patience` is how many seconds a request is repeated. MeshError if there is no such context.
    """

    def __init__(
        self, context: str | None = None, kubeconfig: str | None = None, *, patience: float = PATIENCE
    ) -> None:
        self._given = (context, kubeconfig)
        self._patience = patience
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, Json]] = {}
        self._client = self._connect()

    @property
    def server(self) -> str:
        """Its URL."""
        return str(self._client.configuration.host)

    def with_patience(self, seconds: float) -> Api:
        """The same, with less (or more) patience: for questions whose failure is an answer, too."""
        other = copy.copy(self)
        other._patience = seconds
        return other

    def close(self) -> None:
        """Close its connections; a later request opens them again."""
        self._client.close()

    def get(self, path: str, **query: object) -> Json:
        """What stands at a path, as `kubectl get --raw`; Missing if nothing does."""
        return self._json("GET", path, query)

    def text(self, path: str, **query: object) -> str:
        """The same of what is no JSON, such as metrics."""
        return self._bytes("GET", path, query).decode("utf-8", "replace")

    def list(self, path: str, **query: object) -> list[Json]:
        """All objects of a collection, page by page; begun again when a page has expired (410)."""
        for _ in range(3):
            try:
                return [item for page in self._pages(path, query) for item in _items(page)]
            except Refused as refused:
                if refused.status != 410:
                    raise
        return _items(self.get(path, **query))

    def send(
        self, method: str, path: str, body: Json = None, *, content_type: str = "application/json", **query: object
    ) -> Json:
        """Change something; the object as it is then.

        It may be repeated: what is refused the second time because the first was carried out, without an answer, counts as done. (Of
        PATCH this is told for a body that is an object; operations must carry their own test.)
        """
        return self._json(method, path, query, body, content_type)

    def apply(self, resource: Json, *, manager: str, force: bool = False, dry_run: bool = False) -> Json:
        """Server-side apply, with strict validation of fields; the object as it is (or would be) then."""
        query: dict[str, object] = {"fieldManager": manager, "force": force, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self._json("PATCH", self.path_of(resource), query, resource, "application/apply-patch+yaml")

    def path_of(self, resource: Json) -> str:
        """The path of an object by its apiVersion, kind, namespace and name; Missing if the server knows no such kind."""
        found = self._kind(resource["apiVersion"], resource["kind"])
        metadata = resource["metadata"]
        return "/".join((self._collection(resource, found), quote(metadata["name"], safe="")))

    def collection_of(self, resource: Json) -> str:
        """The path of the collection that an object belongs to: where it is created and listed."""
        return self._collection(resource, self._kind(resource["apiVersion"], resource["kind"]))

    def logs(self, namespace: str, pod: str, container: str, **query: object) -> str:
        """What a container wrote; `sinceTime`, `sinceSeconds`, `tailLines`, `timestamps`, `previous` as Kubernetes names them."""
        return self.text(f"{_pod(namespace, pod)}/log", container=container, **query)

    def follow(self, namespace: str, pod: str, container: str, since_seconds: int = 1) -> Follow:
        """The lines that a container writes from now on (and wrote in the last seconds), until it ends or `close()` is called."""
        query = {"container": container, "follow": True, "sinceSeconds": since_seconds}
        path = f"{_pod(namespace, pod)}/log"
        return Follow(self._repeated("GET", path, lambda: self._open("GET", path, query, timeout=(CONNECT, None))))

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        stdin: bytes = b"",
        *,
        timeout: float = PATIENCE,
    ) -> tuple[int, bytes, bytes]:
        """Run a command in a container: exit status, stdout, stderr; MeshError after `timeout` seconds. It is never run twice."""
        query = {"container": container, "command": list(command), "stdin": bool(stdin), "stdout": True, "stderr": True}
        path = f"{_pod(namespace, pod)}/exec"
        client = self._websocket(path, query, _commanded, False)
        try:
            return _ran(client, stdin, timeout)
        except (OSError, WebSocketException, TimeoutError) as error:
            raise MeshError(f"{self._named('exec', path)}: {' '.join(command)}: {_words(error)}") from error
        finally:
            client.sock.shutdown()  # `close()` of the library leaves a socket whose other side has ended

    def forward(self, namespace: str, pod: str, port: int) -> socket.socket:
        """One connection to a port of a pod, its loopback included; it ends at once if nothing listens there.

        It has no half-open state: who shuts down writing ends reading, too.
        """
        path = f"{_pod(namespace, pod)}/portforward"
        opened = self._websocket(path, {"ports": port}, lambda *given: _Forwarded(create_websocket(*given), [port]))
        return socket.socket(fileno=opened.socket(port).detach())

    def may(self, verb: str, group: str, resource: str, namespace: str, subresource: str = "", name: str = "") -> bool:
        """Whether the user has a right, as `kubectl auth can-i` asks; an empty namespace means all, an empty name any."""
        asked = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "namespace": namespace,
            "subresource": subresource,
            "name": name,
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        body = {**review, "spec": {"resourceAttributes": asked}}
        answer = self.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
        return bool(answer["status"].get("allowed"))

    def _connect(self) -> ApiClient:
        context, kubeconfig = self._given
        settings = Configuration()
        settings.retries = False  # they are `repeat`'s
        settings.connection_pool_maxsize = 32
        try:
            if context is None and kubeconfig is None and _in_pod():
                config.load_incluster_config(settings)
            else:
                config.load_kube_config(kubeconfig, context, settings, persist_config=False)
        except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
            named = f"context {context}" if context else "the current context"
            raise MeshError(
                f"{named} of {kubeconfig or 'the kubeconfig'} is of no use: {_words(error)}; "
                "`kubectl config get-contexts` lists what there is"
            ) from error
        client = ApiClient(settings)
        client.user_agent = "meshtest"
        if not settings.verify_ssl:
            pools = client.rest_client.pool_manager
            pools.pool_classes_by_scheme = {**pools.pool_classes_by_scheme, "https": _UnverifiedPool}
        return client

    def _renew(self, used: ApiClient) -> None:
        """Read credentials again, once for all threads that found them expired."""
        with self._lock:
            if self._client is used:
                self._client = self._connect()

    def _kind(self, api_version: str, kind: str) -> Json:
        for known in (True, False):
            if not known or api_version not in self._kinds:
                prefix = "/apis" if "/" in api_version else "/api"
                found = self.get(f"{prefix}/{api_version}")["resources"]
                self._kinds[api_version] = {each["kind"]: each for each in found if "/" not in each["name"]}
            if kind in self._kinds[api_version]:
                return self._kinds[api_version][kind]
        raise Missing(
            f"{self.server} knows no kind {kind} of {api_version}; `kubectl api-resources` lists what it knows"
        )

    def _collection(self, resource: Json, kind: Json) -> str:
        prefix = "/apis" if "/" in resource["apiVersion"] else "/api"
        parts = [prefix, resource["apiVersion"]]
        if kind["namespaced"]:
            namespace = resource["metadata"].get("namespace")
            if not namespace:
                raise ValueError(f"{resource['kind']} {resource['metadata']['name']} has no namespace")
            parts += ["namespaces", quote(namespace, safe="")]
        return "/".join((*parts, kind["name"]))

    def _pages(self, path: str, query: Mapping[str, object]) -> Iterator[Json]:
        after = ""
        while True:
            page = self.get(path, **{"limit": PAGE, **query}, **({"continue": after} if after else {}))
            yield page
            after = (page.get("metadata") or {}).get("continue") or ""
            if not after:
                return

    def _json(
        self, method: str, path: str, query: Mapping[str, object], body: Json = None, content_type: str = ""
    ) -> Json:
        return json.loads(self._bytes(method, path, query, body, content_type) or b"null")

    def _bytes(
        self, method: str, path: str, query: Mapping[str, object], body: Json = None, content_type: str = ""
    ) -> bytes:
        maybe_done = False

        def once() -> bytes:
            nonlocal maybe_done
            try:
                return self._read(self._open(method, path, query, body, content_type))
            except Passing as passing:
                maybe_done = maybe_done or passing.maybe_done
                if maybe_done and not _repeatable(method, body):
                    raise MeshError(
                        f"{self._named(method, path)}: {passing}; it may have been carried out"
                    ) from passing
                raise
            except (Refused, Missing) as refused:
                if maybe_done and (done := self._done(method, path, body, refused)) is not None:
                    return done
                raise

        return self._repeated(method, path, once)

    def _done(self, method: str, path: str, body: Json, refused: Refused | Missing) -> bytes | None:
        """What an earlier attempt without an answer has made, if that is why it is refused now."""
        if method == "DELETE" and isinstance(refused, Missing):
            return b"{}"
        if not isinstance(refused, Refused) or refused.status != 409 or not isinstance(body, dict):
            return None
        metadata = body.get("metadata") or {}
        at = f"{path}/{metadata.get('name')}" if method == "POST" else path
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
        wanted = {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}
        try:
            found = self.get(at)
        except Missing:
            return None
        return json.dumps(found).encode() if contains(found, wanted) else None

    def _repeated(self, method: str, path: str, once: Callable[[], T]) -> T:
        try:
            try:
                return repeat(once, self._patience)
            except _Expired as expired:
                self._renew(expired.client)
                return repeat(once, self._patience)
        except Exhausted as exhausted:
            raise Unreachable(
                f"{self._named(method, path)}: {exhausted} (asked {exhausted.attempts} times in {self._patience:.0f} s); "
                "is the API server up and within reach? `kubectl get --raw /readyz` asks it"
            ) from exhausted

    def _named(self, method: str, path: str) -> str:
        context = self._given[0]
        return f"{method} {path} of {self.server}" + (f" (context {context})" if context else "")

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Json = None,
        content_type: str = "",
        timeout: tuple[float, float | None] = (CONNECT, READ),
    ) -> urllib3.HTTPResponse:
        """One attempt: the answer, unread, if it is a good one."""
        client = self._client
        headers = {"Accept": "application/json, */*"} | ({"Content-Type": content_type} if body is not None else {})
        request = client.param_serialize(
            method, _asked(path, query), None, None, headers, body, None, None, ["BearerToken"]
        )
        try:
            answer: urllib3.HTTPResponse = client.call_api(*request, _request_timeout=timeout).response
            if answer.status < 300:
                return answer
            data = self._read(answer)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise Passing(_words(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Passing(_words(error), maybe_done=True) from error
        except ApiException as error:  # a certificate that is not trusted, say
            raise MeshError(f"{self._named(method, path)}: {_words(error)}") from error
        raise self._failure(client, f"{self._named(method, path)}", answer.status, answer.headers, data)

    def _read(self, answer: urllib3.HTTPResponse) -> bytes:
        try:
            return bytes(answer.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Passing(_words(error), maybe_done=True) from error

    def _failure(
        self, client: ApiClient, asked: str, status: int, headers: Mapping[str, str], data: bytes
    ) -> Exception:
        body = _parsed(data)
        if status == 401:
            return _Expired(asked, status, body, client)
        if status in PASSING:
            said = body.get("message") if isinstance(body, dict) else str(body).strip()
            return Passing(f"{status} {said}", retry_after(headers), maybe_done=status != 429)
        refused = Refused(asked, status, body)
        return Missing(f"{asked}: {refused.said} (404)") if status == 404 else refused

    def _websocket(
        self, path: str, query: Mapping[str, object], opened: Callable[..., T], repeatable: bool = True
    ) -> T:
        def once() -> T:
            client = self._client
            _, url, headers, *_ = client.param_serialize(
                "GET", _asked(path, query), None, None, {}, None, None, None, ["BearerToken"]
            )
            try:
                return opened(client.configuration, get_websocket_url(url), headers)
            except WebSocketBadStatusException as bad:
                asked = self._named("CONNECT", path)
                found = {key.title(): value for key, value in (bad.resp_headers or {}).items()}
                raise self._failure(client, asked, bad.status_code, found, bad.resp_body or b"") from bad
            except (OSError, WebSocketException) as error:
                if repeatable or isinstance(error, ConnectionRefusedError):
                    raise Passing(_words(error)) from error
                raise MeshError(
                    f"{self._named('CONNECT', path)}: {_words(error)}; it may have been carried out"
                ) from error

        return self._repeated("CONNECT", path, once)


class _Forwarded(PortForward):  # type: ignore[misc]
    """The library's, but without loose ends: whatever ends its thread closes the connection and both its sides."""

    def _proxy(self) -> None:
        try:
            super()._proxy()
        except (OSError, ValueError, WebSocketException):
            pass  # the side that reads sees the end
        finally:
            for port in self.local_ports.values():
                port.python.close()
            self.websocket.shutdown()


class Follow(Iterator[bytes]):
    """Lines as they are written, without their ends; any thread may `close` it."""

    def __init__(self, answer: urllib3.HTTPResponse) -> None:
        self._answer = answer
        self._closed = False
        self._lines = self._read()

    def __next__(self) -> bytes:
        return next(self._lines)

    def close(self) -> None:
        """End it; who waits for a line gets none."""
        if not self._closed:
            self._closed = True
            self._answer.shutdown()

    def _read(self) -> Iterator[bytes]:
        rest = b""
        try:
            for chunk in self._answer.stream(None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if not self._closed:
                raise MeshError(f"following a log: {_words(error)}") from error
        finally:
            self._answer.close()
        if rest:
            yield rest


def contains(found: Json, wanted: Json) -> bool:
    """Whether an object has all that is wanted of it; lists must be of one length."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(contains(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(map(contains, found, wanted))
    return bool(found == wanted)


def _commanded(settings: Configuration, url: str, headers: Mapping[str, str]) -> WSClient:
    return WSClient(settings, url, headers, capture_all=False, binary=True)


def _ran(client: WSClient, stdin: bytes, timeout: float) -> tuple[int, bytes, bytes]:
    end = time.monotonic() + timeout
    if stdin:
        if client.subprotocol != "v5.channel.k8s.io":
            raise OSError("the API server is older than Kubernetes 1.30: it cannot end a command's standard input")
        for start in range(0, len(stdin), 1 << 20):
            client.write_stdin(stdin[start : start + (1 << 20)])
        client.close_channel(0)
    while client.is_open():
        if time.monotonic() >= end:
            raise TimeoutError(f"not done after {timeout:.0f} s")
        client.sock.settimeout(timeout)
        client.update(timeout=max(0.0, end - time.monotonic()))
    out, err, told = (client.read_channel(channel) for channel in (1, 2, 3))
    return _exit_status(_parsed(told)), out, err


def _exit_status(told: Json) -> int:
    if not isinstance(told, dict) or "status" not in told:
        raise OSError("the connection ended before the command did")
    if told["status"] == "Success":
        return 0
    causes = (told.get("details") or {}).get("causes") or []
    codes = [int(each["message"]) for each in causes if each.get("reason") == "ExitCode"]
    if not codes:
        raise OSError(str(told.get("message") or told))
    return codes[0]


def _repeatable(method: str, body: Json) -> bool:
    """Whether a second time does no harm: all but making an object whose name the server chooses."""
    return method != "POST" or not isinstance(body, dict) or "generateName" not in (body.get("metadata") or {})


def _in_pod() -> bool:
    """Whether only the pod's own service account can be meant: no kubeconfig is there."""
    given = os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
    there = any(os.path.exists(os.path.expanduser(each)) for each in given.split(os.pathsep) if each)
    return not there and "KUBERNETES_SERVICE_HOST" in os.environ


def _pod(namespace: str, pod: str) -> str:
    return str(PurePosixPath("/api/v1/namespaces", quote(namespace, safe=""), "pods", quote(pod, safe="")))


def _asked(path: str, query: Mapping[str, object]) -> str:
    given = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in query.items()
        if value is not None
    }
    separator = "&" if "?" in path else "?"
    return path + separator + urlencode(given, doseq=True) if given else path


def _items(page: Json) -> list[Json]:
    """The objects of a list, each with the apiVersion and kind that only the list says."""
    kind = str(page.get("kind") or "").removesuffix("List")
    return [{"apiVersion": page.get("apiVersion"), "kind": kind} | item for item in page.get("items") or ()]


def _parsed(data: bytes) -> Json:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _words(error: BaseException) -> str:
    said = getattr(error, "reason", None) or str(error)
    return " ".join(str(said).split()) or type(error).__name__
