"""A real cluster: the tests here run where the environment variable MESHTEST_CLUSTER names a context that they may use."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from meshtest.meshes.kubernetes.api import Api

from .accounts import kubeconfig

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


@pytest.fixture
def account(api: Api, context: str, tmp_path: Path) -> Callable[[str], Api]:
    """The API server as a service account sees it: called with its namespace, made there under the name of `meshtest`.

    Its kubeconfig is `kubeconfig` in `tmp_path`, with the same context.
    """

    def log_in(namespace: str) -> Api:
        (tmp_path / "kubeconfig").write_text(kubeconfig(api, context, namespace))
        return Api(context, str(tmp_path / "kubeconfig"))

    return log_in


@pytest.fixture
def granted(api: Api) -> Iterator[Callable[[str], None]]:
    """Applies manifests, and takes those that are in no namespace of the test's own away afterwards."""
    made = []

    def grant(text: str) -> None:
        for each in yaml.safe_load_all(text):
            api.apply(each, manager="meshtest-tests")
            made.append(each)

    yield grant
    for each in made:
        if "namespace" not in each["metadata"] or each["metadata"]["namespace"] == "istio-system":
            api.send("DELETE", api.path_of(each))
