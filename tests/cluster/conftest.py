"""A real cluster: the tests here run where the environment variable MESHTEST_CLUSTER names a context that they may use."""

import os
import uuid
from collections.abc import Iterator

import pytest

from meshtest.meshes.kubernetes.api import Api

VARIABLE = "MESHTEST_CLUSTER"


@pytest.fixture(scope="session")
def context() -> str:
    """The context of the kubeconfig that the tests may use."""
    name = os.environ.get(VARIABLE)
    if not name:
        pytest.skip(f"{VARIABLE} names no context of a cluster that the tests may use")
    return name


@pytest.fixture(scope="session")
def api(context: str) -> Iterator[Api]:
    """Its API server."""
    api = Api(context)
    yield api
    api.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own, without sidecar injection; gone afterwards with all that is in it."""
    name = f"meshtest-{uuid.uuid4().hex[:10]}"
    api.send("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.send("DELETE", f"/api/v1/namespaces/{name}")
