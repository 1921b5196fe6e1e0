"""Namespaces in which stand-ins run, in pods of their own behind sidecars."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.manifests import Manifests, Wishes
from meshtest.resources.resource import Resource

DEADLINE = 180.0
_MISSING = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff")


def until(fact: Callable[[], bool], what: str, timeout: float = DEADLINE) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < deadline, f"in {timeout:g} s: {what}"
        time.sleep(0.1)


@contextmanager
def stand_ins(api: Api, described: Iterable[Resource], replicas: Mapping[str, int]) -> Iterator[str]:
    """A namespace with the Services that are described, and with these of the Deployments, so many pods each; gone afterwards."""
    namespace = f"meshtest-{uuid.uuid4().hex[:10]}"
    metadata = {"name": namespace, "labels": {"istio-injection": "enabled"}}
    api.send("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        wishes = Wishes(pull_policy="Never", namespace=namespace, localities=True)
        for each in Manifests([*described], wishes).objects():
            if each["kind"] == "Deployment":
                if each["metadata"]["name"] not in replicas:
                    continue
                each["spec"]["replicas"] = replicas[each["metadata"]["name"]]
            api.apply(each, manager="meshtest-tests")
        until(lambda: all_run(api, namespace, sum(replicas.values())), "all pods run, with sidecars, and are ready")
        yield namespace
    finally:
        api.send("DELETE", f"/api/v1/namespaces/{namespace}")


def all_run(api: Api, namespace: str, wanted: int) -> bool:
    """Whether there are so many pods, all ready with their sidecars, and no others."""
    found = pods_in(api, namespace)
    states = [state for pod in found for state in pod["status"].get("containerStatuses") or ()]
    if any(each.get("state", {}).get("waiting", {}).get("reason") in _MISSING for each in states):
        pytest.fail(
            "the cluster lacks the stand-ins' image: `python -m tests.cluster.image TESTBED` makes it for a test bed"
        )
    return len(found) == wanted and len(states) == 2 * wanted and all(each["ready"] for each in states)


def pods_in(api: Api, namespace: str) -> list[dict[str, Any]]:
    return list(api.list(f"/api/v1/namespaces/{namespace}/pods"))
