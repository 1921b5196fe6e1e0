"""Asks what runs: istiod's ports as proxies and the API server ask them, and the admin of each proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.admin import Admin
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.check.answers import Answer
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.questions import Questions, words
from meshtest.meshes.kubernetes.check.reading import each, permitted
from meshtest.meshes.kubernetes.check.rights import CONTROL_PLANE
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen
from meshtest.meshes.kubernetes.check.services import behind, target_port
from meshtest.meshes.kubernetes.check.sync import settled
from meshtest.meshes.kubernetes.check.webhooks import Client

T = TypeVar("T")

READY, XDS, SECURE_XDS, MONITORING, WEBHOOK = 8080, 15010, 15012, 15014, 15017
"""Ports of istiod: https://istio.io/latest/docs/ops/deployment/application-requirements/"""
_SETTLE = 10.0
"""Seconds for proxies to acknowledge what was just pushed: istiod collects changes for at most 10 (PILOT_DEBOUNCE_MAX)."""
_PAUSE = 0.25
_FORWARD = ("", "pods/portforward")


class Asker:
    """Asks ports of pods, by port-forward."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._questions = Questions(api)

    def istiod(self, pod: Pod, name: str, roots: str | None) -> Seen[list[Answer]]:
        """What the ports of an istiod answer; it must prove to be `name` to those who trust `roots` (PEM; None: anybody)."""
        ask = self._questions
        return self._forwarded(
            CONTROL_PLANE,
            pod,
            lambda: [
                ask.http(pod, READY, "/ready", "(ready)"),
                ask.grpc(pod, XDS),
                ask.secure_grpc(pod, SECURE_XDS, name, roots),
                ask.http(pod, MONITORING, "/version", "(monitoring)"),
                ask.secure_page(pod, WEBHOOK, name, None, "/ready"),  # whom it must convince, the webhooks say
            ],
        )

    def version(self, pod: Pod) -> Seen[str]:
        """The version of an istiod in its own words."""
        page = self._page(CONTROL_PLANE, pod, MONITORING, "/version", f"kubectl -n {pod.namespace} logs {pod.name}")
        return page if isinstance(page, Unseen) else page.decode("utf-8", "replace")

    def webhook(self, asked: Client, service: Json | None, pods: Sequence[Pod]) -> Seen[str]:
        """What is wrong with those behind a webhook's Service when they are asked as the API server does; empty if nothing is."""
        ready = [pod for pod in behind(service, pods) if pod.ready]
        if service is None:
            return f"there is no Service {asked.service} in {asked.namespace}"
        if not ready:
            return "no pod that is ready is behind that Service"
        port = target_port(service, asked.port, ready[0])
        if port is None:
            return f"the Service has no port {asked.port}"
        ask, bundle = self._questions.secure_page, asked.roots
        answer = self._forwarded(
            CONTROL_PLANE, ready[0], lambda: ask(ready[0], port, asked.server_name, bundle, "/ready")
        )
        return answer if isinstance(answer, Unseen) else answer.error

    def health(self, pod: Pod, port: int) -> Seen[Answer]:
        """What a gateway answers at its health port."""
        return self._forwarded(
            CONTROL_PLANE, pod, lambda: self._questions.http(pod, port, "/healthz/ready", "(healthy)")
        )

    def proxies(self, istiods: Sequence[Pod], wanted: Collection[str]) -> Seen[list[Json]]:
        """The proxies that istiods list, when all that are `wanted` are there and nothing is under way, or after ten seconds."""
        end = time.monotonic() + _SETTLE
        while True:
            found = self._listed(istiods)
            if isinstance(found, Unseen):
                return found
            there = {each["proxy"] for each in found}
            concerned = [each for each in found if each["proxy"] in wanted]
            if (there.issuperset(wanted) and settled(concerned)) or time.monotonic() > end:
                return found
            time.sleep(_PAUSE)

    def certificates(self, where: str, pods: Sequence[Pod]) -> dict[str, Seen[Json]]:
        """What each proxy lists at `/certs` of its admin, by its name."""
        pages = each(lambda pod: self._admin(where, pod, "/certs"), pods)
        return {pod.proxy: page for pod, page in zip(pods, pages, strict=True)}

    def rejections(self, where: str, pods: Sequence[Pod]) -> dict[str, dict[str, int]]:
        """What each proxy says of the updates that it rejected, by its name; only those that answer."""
        path = "/stats?filter=update_rejected&format=json"
        pages = each(lambda pod: self._admin(where, pod, path), pods)
        return {
            pod.proxy: {one["name"]: one["value"] for one in page["stats"] if "value" in one}
            for pod, page in zip(pods, pages, strict=True)
            if not isinstance(page, Unseen)
        }

    def _listed(self, istiods: Sequence[Pod]) -> Seen[list[Json]]:
        """What all istiods list: each knows those proxies that are connected to it."""
        found: list[Json] = []
        for pod in istiods:
            page = self._page(CONTROL_PLANE, pod, MONITORING, "/debug/syncz", _HIDDEN)
            if isinstance(page, Unseen):
                return page
            try:
                found += json.loads(page)
            except ValueError:
                return Unseen(f"/debug/syncz of {pod.proxy} is no JSON: {page[:80]!r}", _HIDDEN)
        return found

    def _admin(self, where: str, pod: Pod, path: str) -> Seen[Json]:
        admin = Admin(self._api, pod.namespace, pod.name)
        try:
            return self._forwarded(where, pod, lambda: json.loads(admin.get(path)))
        except (ValueError, MeshError) as error:
            return Unseen(str(error), f"kubectl -n {pod.namespace} logs {pod.name} -c istio-proxy")
        finally:
            admin.close()

    def _page(self, where: str, pod: Pod, port: int, path: str, remedy: str) -> Seen[bytes]:
        try:
            return self._forwarded(where, pod, lambda: self._questions.page(pod, port, path))
        except (OSError, ValueError, MeshError) as error:
            return Unseen(f"{path} at port {port} of {pod.proxy}: {words(error)}", remedy)

    def _forwarded(self, where: str, pod: Pod, ask: Callable[[], T]) -> Seen[T]:
        return permitted(ask, where, _FORWARD, pod.namespace)


_HIDDEN = "istiod shows it unless its environment has ENABLE_DEBUG_ON_HTTP=false"
