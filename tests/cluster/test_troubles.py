"""Troubles of the API server: what may pass is waited for, nothing is done twice, and what lasts is told."""

import time
from collections import Counter

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Refused
from meshtest.meshes.kubernetes.objects import Objects
from meshtest.meshes.kubernetes.remains import mend

from .interposed import RESET_AFTER, RESET_BEFORE, interposed, kubeconfig
from .places import HASH, manifest, rule, shared, snapshot


def token_of(api, namespace, name="user", secret=None):
    """A token of a service account that may do anything in a namespace."""
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [subject],
    }
    for each in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        binding,
    ):
        api.apply(each, manager="test")
    bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": secret}} if secret else {}
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600, **bound},
    }
    return api.send("POST", f"{account}/{name}/token", asked)["status"]["token"]


@pytest.fixture
def between(api, namespace, tmp_path):
    """Makes an Api that goes through a proxy with faults."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        token = token_of(api, namespace)

        def make(fault, patience=20.0):
            url = stack.enter_context(interposed(api.server, fault))
            made = Api(None, kubeconfig(tmp_path / "kubeconfig", url, token), patience=patience)
            stack.callback(made.close)
            return made

        yield make


class Once:
    """A fault for the first attempt of each request, as these differ by method and path."""

    def __init__(self, fault):
        self.fault = fault
        self.seen = Counter()

    def __call__(self, method, path):
        self.seen[method, path] += 1
        return self.fault if self.seen[method, path] % 2 else None


@pytest.mark.parametrize(
    "fault", [RESET_BEFORE, RESET_AFTER, (503, {}), (429, {"Retry-After": "0"}), (500, {}), (504, {})]
)
def test_every_request_may_be_answered_at_the_second_attempt(api, namespace, between, fault):
    """Also where the first was carried out, and only its answer was lost."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    extra = manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {a: b}}")
    faults = Once(fault)
    objects = Objects(between(faults), "run-1", [namespace])
    objects.put(rule(namespace, **HASH) | extra)
    objects.put(rule(namespace, connectionPool={"tcp": {"maxConnections": 7}}))
    assert objects.changed_by_others() == []
    objects.restore()
    assert snapshot(api, namespace) == before
    assert {method for method, _ in faults.seen} == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert min(faults.seen.values()) == 2


def test_what_fails_in_the_middle_takes_back_what_was_done(api, namespace, between):
    """The second object cannot be written: the first is as before."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    denied = (403, {"Content-Type": "application/json"})
    faulty = between(
        lambda method, path: denied if method == "POST" and "/services?" in path and "dryRun" not in path else None
    )
    objects = Objects(faulty, "run-1", [namespace])
    extra = manifest(namespace, "{apiVersion: v1, kind: Service, metadata: {name: extra}, spec: {ports: [{port: 80}]}}")
    with pytest.raises(Refused, match="by the proxy"):
        objects.put(rule(namespace, **HASH) | extra)
    assert snapshot(api, namespace) == before
    objects.restore()


def test_what_was_in_force_is_in_force_again(api, namespace, between):
    """A put that fails leaves what the put before it made."""
    denied = (403, {})
    deny = []
    faulty = between(
        lambda method, path: (
            denied if deny and method == "POST" and "/services?" in path and "dryRun" not in path else None
        )
    )
    objects = Objects(faulty, "run-1", [namespace])
    objects.put(rule(namespace, **HASH))
    deny.append(True)
    extra = manifest(namespace, "{apiVersion: v1, kind: Service, metadata: {name: extra}, spec: {ports: [{port: 80}]}}")
    with pytest.raises(Refused):
        objects.put(rule(namespace, connectionPool={"tcp": {"maxConnections": 7}}) | extra)
    (found,) = api.list(f"/apis/networking.istio.io/v1/namespaces/{namespace}/destinationrules")
    assert found["spec"]["trafficPolicy"] == HASH
    assert objects.changed_by_others() == []
    objects.restore()


def test_a_server_that_is_away_for_seconds_is_waited_for(api, namespace, between):
    """As when it is started anew in the middle of a change."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    away = []

    def fault(method, path):
        if method == "PUT" and not away and "dryRun" not in path:
            away.append(time.monotonic() + 3)
        return RESET_BEFORE if away and time.monotonic() < away[0] else None

    objects = Objects(between(fault), "run-1", [namespace])
    objects.put(rule(namespace, **HASH))
    objects.restore()
    assert snapshot(api, namespace) == before


def test_a_server_that_stays_away_is_told(between, namespace):
    """What was asked, of whom, how often, and what to do."""
    gone = between(lambda method, path: (503, {}), patience=1.0)
    with pytest.raises(
        MeshError, match=r"GET /api/v1/pods of http://127.*503 by the proxy \(asked \d+ times in 1 s\).*readyz"
    ):
        gone.get("/api/v1/pods")


def test_what_asks_for_too_long_a_pause_is_told(between):
    """It is not waited for an hour."""
    gone = between(lambda method, path: (429, {"Retry-After": "3600"}))
    with pytest.raises(MeshError, match=r"429 .*asked 1 times"):
        gone.get("/api/v1/pods")


def test_pages_that_expire_are_read_again(api, namespace, between):
    """From the first."""
    for number in range(3):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{number}", "namespace": namespace}}
        api.apply(body, manager="test")
    expired = []

    def fault(method, path):
        if "continue=" in path and not expired:
            expired.append(path)
            return (410, {})
        return None

    found = between(fault).list(f"/api/v1/namespaces/{namespace}/configmaps", limit=1)
    assert expired
    names = [each["metadata"]["name"] for each in found]
    assert {"m0", "m1", "m2"} <= set(names)
    assert len(names) == len(set(names))


def test_what_cannot_be_repeated_is_told(between, namespace):
    """The server would choose a second name."""
    faulty = between(lambda method, path: RESET_AFTER if method == "POST" else None)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "m-"}}
    with pytest.raises(MeshError, match="it may have been carried out"):
        faulty.send("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)


def test_credentials_are_read_again(api, namespace, tmp_path):
    """A token that no longer counts is replaced by that which the kubeconfig has by now; if that counts no more, it is told."""
    bound = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bound", "namespace": namespace}}
    api.apply(bound, manager="test")
    old, new = token_of(api, namespace, secret="bound"), token_of(api, namespace)
    file = tmp_path / "kubeconfig"
    mine = Api(None, kubeconfig(file, api.server, old))
    where = f"/api/v1/namespaces/{namespace}/configmaps"
    assert mine.list(where)
    api.send("DELETE", api.path_of(bound))
    end = time.monotonic() + 60  # the server remembers tokens for a while
    while time.monotonic() < end:
        try:
            Api(None, str(file)).list(where)
        except Refused as refused:
            assert refused.status == 401
            assert "log in anew" in str(refused)
            break
        time.sleep(0.5)
    else:
        pytest.fail("the token counts for ever")
    kubeconfig(file, api.server, new)
    assert mine.list(where)
    mine.close()


def test_a_server_that_goes_away_for_good_is_told_once(api, namespace, between):
    """What is left in force is taken back later, from the cluster itself."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    away = []
    faulty = between(lambda method, path: RESET_BEFORE if away else None, patience=2.0)
    objects = Objects(faulty, "run-1", [namespace])
    extra = manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {a: b}}")
    objects.put(rule(namespace, **HASH) | extra)
    away.append(True)
    with pytest.raises(MeshError, match="meshtest clean") as caught:
        objects.restore()
    assert str(caught.value).count("asked") == 1
    mend(api, namespace)
    assert snapshot(api, namespace) == before
