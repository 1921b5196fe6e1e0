"""A real cluster: the tests here run where the environment variable MESHTEST_CLUSTER names a context that they may use."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshtest.meshes.kubernetes.api import Api
from meshtest.topology.default import bookinfo
from tests.meshes.manifests import GATEWAY, SUBSETS, rules

from .accounts import kubeconfig
from .neighbour import Neighbour
from .neighbour import neighbour as served
from .places import path, shared, snapshot
from .runs import Tests
from .stand_ins import stand_ins

VARIABLE = "MESHTEST_CLUSTER"
SPLIT = "[{route: [{destination: {host: reviews, subset: v1}, weight: 80}, {destination: {host: reviews, subset: v2}, weight: 20}]}]"
CANARY = (
    GATEWAY
    + rules(SPLIT, '["shop.example.com"]')
    + rules(SPLIT, "[reviews]", "[mesh]", "inside")  # by itself: within the mesh a host that is nobody's is everybody's
    + SUBSETS
)


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


@pytest.fixture(scope="session")
def shop(api: Api) -> Iterator[str]:
    """A namespace that runs Bookinfo's stand-ins, with sidecars."""
    runs = ("productpage-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3")
    with stand_ins(api, bookinfo(), dict.fromkeys(runs, 1)) as namespace:
        yield namespace


@pytest.fixture(scope="session")
def neighbour(api: Api) -> Iterator[Neighbour]:
    """Somebody else whom the gateway serves.

    As long as there is one, Gateways that come and go change no listener of theirs, which would end what others have under way.
    """
    with served(api, f"meshtest-{uuid.uuid4().hex[:10]}") as found:
        yield found


@pytest.fixture
def existing(api: Api, shop: str) -> Iterator[Any]:
    """An object there of a name that tests use, in which three managers have a part."""
    yield shared(api, shop)
    api.send("DELETE", path(shop))


@pytest.fixture
def tests(api: Api, context: str, shop: str, neighbour: Neighbour, tmp_path: Path) -> Iterator[Tests]:
    """A user's tests for that namespace, in which all is afterwards as it was before."""
    before = snapshot(api, shop)
    tests = Tests(tmp_path, context, shop)
    tests.write(canary=CANARY)
    yield tests
    assert snapshot(api, shop) == before
