"""What a run has in force in a cluster, and that all of it goes back."""

import json

import pytest

from meshtest.errors import MeshError, ResourceError
from meshtest.meshes.kubernetes import records
from meshtest.meshes.kubernetes.api import Api, Missing
from meshtest.meshes.kubernetes.foreign import ForeignChanges
from meshtest.meshes.kubernetes.objects import Objects

from .places import HASH, manifest, path, rule, shared, snapshot, stripped


@pytest.fixture
def objects(api, namespace):
    return Objects(api, "run-1", [namespace])


def test_what_is_new_is_made_and_deleted(api, namespace, objects):
    """With the run's labels; nothing is left."""
    before = snapshot(api, namespace)
    objects.put(rule(namespace))
    found = api.get(path(namespace))
    assert found["metadata"]["labels"] == {"meshtest.dev/run": "run-1", "app.kubernetes.io/managed-by": "meshtest"}
    assert {entry["manager"] for entry in found["metadata"]["managedFields"]} == {"meshtest"}
    objects.restore()
    objects.restore()
    assert snapshot(api, namespace) == before


def test_what_existed_is_restored_exactly(api, namespace, objects):
    """With the fields of all managers, who manages them, and since when."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    objects.put(rule(namespace, **HASH))
    objects.put(rule(namespace, connectionPool={"tcp": {"maxConnections": 7}}))
    objects.put(rule(namespace, **HASH))
    assert objects.changed_by_others() == []
    objects.restore()
    assert snapshot(api, namespace) == before
    assert api.get(path(namespace))["status"] == {"observedGeneration": "3"}


def test_an_object_is_what_the_manifest_says(api, namespace, objects):
    """Nothing of others stays that decides anything: `simple` beside `consistentHash` would be refused."""
    shared(api, namespace)
    objects.put(rule(namespace, **HASH))
    found = api.get(path(namespace))
    assert found["spec"] == {"host": "reviews", "trafficPolicy": HASH}
    assert found["metadata"]["labels"] == {"app.kubernetes.io/instance": "shop", "meshtest.dev/run": "run-1"}


def test_putting_something_else_takes_back_what_is_not_wanted(api, namespace, objects):
    """Exactly what is put is in force."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    objects.put(rule(namespace, **HASH))
    service = manifest(
        namespace,
        """
        apiVersion: v1
        kind: Service
        metadata: {name: extra}
        spec: {ports: [{name: http, port: 80}], selector: {app: extra}}
        """,
    )
    objects.put(service)
    assert api.get(path(namespace))["spec"]["trafficPolicy"]["loadBalancer"] == {"simple": "RANDOM"}
    objects.put({})
    assert snapshot(api, namespace) == before
    objects.restore()


def test_all_or_nothing(api, namespace, objects):
    """A webhook's refusal of one leaves all as it was, and says whose line it is."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    wrong = manifest(
        namespace,
        """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: reviews}
        spec:
          hosts: [reviews]
          http:
          - route:
            - destination: {host: reviews}
              weight: 80
            - destination: {host: reviews}
              weight: -1
        """,
        "reviews.yaml",
    )
    with pytest.raises(ResourceError, match=r"reviews\.yaml:\d+: VirtualService .*/reviews"):
        objects.put({**rule(namespace, **HASH), **wrong})
    assert snapshot(api, namespace) == before


def test_unknown_fields_are_named(namespace, objects):
    """With their line."""
    wrong = manifest(
        namespace,
        """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: reviews}
        spec:
          hosts: [reviews]
          htp: []
        """,
        "reviews.yaml",
    )
    with pytest.raises(ResourceError, match=r"reviews\.yaml:7: .* spec\.htp: the API server knows no such field"):
        objects.put(wrong)


def test_other_namespaces_are_not_touched(api, namespace, objects):
    """The option that would name one is named."""
    with pytest.raises(ResourceError, match="--mesh-namespace default"):
        objects.put(rule("default"))


def test_objects_in_no_namespace_are_not_touched(namespace, objects):
    """Also kinds that only the cluster knows to be so."""
    wrong = manifest(namespace, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: x}}")
    with pytest.raises(ResourceError, match="in no namespace"):
        objects.put(wrong)


def test_unknown_kinds_are_named(namespace, objects):
    """With their line."""
    with pytest.raises(ResourceError, match=r"test\.yaml:1: .* knows no kind Rule of networking\.istio\.io/v1"):
        objects.put(manifest(namespace, "{apiVersion: networking.istio.io/v1, kind: Rule, metadata: {name: x}}"))


def test_a_plan_changes_nothing(api, namespace, objects):
    """It says what would be created and changed."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    gateway = manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: b}}")
    steps = [str(each) for each in objects.plan({**rule(namespace, **HASH), **gateway})]
    assert steps[0].startswith(f"changed  DestinationRule {namespace}/reviews (test.yaml:1): ")
    assert "spec.trafficPolicy.connectionPool" in steps[0]
    assert steps[1] == f"created  ConfigMap {namespace}/m (test.yaml:1)"
    assert snapshot(api, namespace) == before


def test_foreign_changes_are_noticed_and_stay(api, namespace, objects):
    """Who changed what is told; what is ours goes back, theirs stays, what it was before is kept for a person."""
    shared(api, namespace)
    objects.put(rule(namespace, **HASH))
    edit = {"spec": {"host": "ratings"}}
    api.send("PATCH", path(namespace), edit, content_type="application/merge-patch+json", fieldManager="someone")
    (found,) = objects.changed_by_others()
    assert found.fields == ("spec.host",)
    assert found.managers[0].startswith("someone ")
    with pytest.raises(ForeignChanges, match=r"spec\.host changed by someone .* stays in configmap"):
        objects.restore()
    spec = api.get(path(namespace))["spec"]
    assert spec["host"] == "ratings"
    assert spec["trafficPolicy"] == {
        "loadBalancer": {"simple": "RANDOM"},
        "connectionPool": {"tcp": {"maxConnections": 5}},
    }
    managers = {entry["manager"] for entry in api.get(path(namespace))["metadata"]["managedFields"]}
    assert managers == {"argocd", "istiod", "kubectl-client-side-apply", "kubectl-edit", "someone"}
    assert len(records.read(api, namespace)) == 1
    objects.restore()


def test_a_foreign_change_stops_the_next_put(api, namespace, objects):
    """Nothing is put over it."""
    objects.put(rule(namespace))
    edit = {"spec": {"host": "ratings"}}
    api.send("PATCH", path(namespace), edit, content_type="application/merge-patch+json", fieldManager="someone")
    with pytest.raises(ForeignChanges, match=r"spec\.host"):
        objects.put(rule(namespace, **HASH))
    found = api.get(path(namespace))
    assert found["spec"]["host"] == "ratings"
    assert "labels" not in found["metadata"]
    assert records.read(api, namespace) == []


def test_others_labels_are_no_matter(api, namespace, objects):
    """A tool that marks an object does not spoil the test, and its mark stays."""
    shared(api, namespace)
    objects.put(rule(namespace, **HASH))
    mark = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "now"}}}
    api.send(
        "PATCH", path(namespace), mark, content_type="application/merge-patch+json", fieldManager="argocd-controller"
    )
    assert objects.changed_by_others() == []
    objects.restore()
    assert api.get(path(namespace))["metadata"]["annotations"] == {"argocd.argoproj.io/refresh": "now"}
    assert records.read(api, namespace) == []


@pytest.mark.parametrize("existed", [True, False])
def test_what_someone_deletes_is_not_made_again(api, namespace, objects, existed):
    """It is told, and what it was stays for a person if it was not ours."""
    if existed:
        shared(api, namespace)
    objects.put(rule(namespace, **HASH))
    api.send("DELETE", path(namespace))
    with pytest.raises(ForeignChanges, match="deleted or replaced"):
        objects.restore()
    with pytest.raises(Missing):
        api.get(path(namespace))
    assert len(records.read(api, namespace)) == existed


def test_what_someone_puts_in_its_place_is_theirs(api, namespace, objects):
    """An object of the same name is not deleted."""
    objects.put(rule(namespace, **HASH))
    api.send("DELETE", path(namespace))
    shared(api, namespace)
    before = stripped(api.get(path(namespace)))
    with pytest.raises(ForeignChanges, match="deleted or replaced"):
        objects.restore()
    assert stripped(api.get(path(namespace))) == before


def test_secrets_are_kept_in_secrets(api, namespace, objects):
    """What they hold is in no ConfigMap."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "data": {"a": "c2VjcmV0"},
    }
    api.send("POST", api.collection_of(body), body)
    before = snapshot(api, namespace)
    objects.put(manifest(namespace, "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: Yg==}}"))
    assert {each["kind"] for each in records.read(api, namespace)} == {"Secret"}
    objects.restore()
    assert snapshot(api, namespace) == before


def test_large_objects_are_kept_in_several(api, namespace, objects):
    """A ConfigMap of its own size limit, whose record is larger."""
    text = "x" * 1_000_000
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": namespace},
        "data": {"a": text},
    }
    api.send("POST", api.collection_of(body), body)
    before = snapshot(api, namespace)
    objects.put(manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: b}}"))
    assert len(records.read(api, namespace)) == 2
    objects.restore()
    assert snapshot(api, namespace) == before


def test_versions_of_the_api_are_one_object(api, namespace, objects):
    """Made as v1beta1, changed as v1."""
    shared(api, namespace)
    old = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": namespace},
        "spec": {"workloadSelector": {"matchLabels": {"app": "a"}}},
    }
    api.apply(old, manager="old")
    before = snapshot(api, namespace)
    objects.put(rule(namespace, **HASH))
    objects.restore()
    assert snapshot(api, namespace) == before


def test_an_object_without_managers_is_restored(api, namespace, objects):
    """Someone took them all away."""
    shared(api, namespace)
    body = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    api.send("PATCH", path(namespace), body, content_type="application/json-patch+json")
    before = snapshot(api, namespace)
    objects.put(rule(namespace, **HASH))
    objects.restore()
    assert snapshot(api, namespace) == before


def test_what_kubectl_printed_can_be_put(api, namespace, objects):
    """Status, versions and managers of the manifest do not matter."""
    body = shared(api, namespace)
    before = snapshot(api, namespace)
    body["spec"]["host"] = "other"
    objects.put(manifest(namespace, json.dumps(body)))
    assert api.get(path(namespace))["spec"]["host"] == "other"
    objects.restore()
    assert snapshot(api, namespace) == before


def test_what_changes_at_this_moment_is_not_touched(api, context, namespace):
    """Someone is faster, between our look and our change: theirs stays, nothing of ours is left, and nothing is kept."""
    shared(api, namespace)

    class Overtaken(Api):
        def send(self, method, path, body=None, **query):
            if method == "PUT" and "dryRun" not in query:
                edit = {"spec": {"host": "ratings"}}
                api.send("PATCH", path, edit, content_type="application/merge-patch+json", fieldManager="someone")
            return super().send(method, path, body, **query)

    objects = Objects(Overtaken(context), "run-1", [namespace])
    with pytest.raises(MeshError, match="is being changed by someone else at this moment"):
        objects.put(rule(namespace, **HASH))
    found = api.get(path(namespace))
    assert found["spec"]["host"] == "ratings"
    assert found["spec"]["trafficPolicy"]["loadBalancer"] == {"simple": "RANDOM"}
    assert records.read(api, namespace) == []
    objects.restore()


def test_a_status_that_is_written_all_the_time_is_no_matter(api, context, namespace):
    """Also in the middle of our changes."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    count = iter(range(1000))

    class Busy(Api):
        def send(self, method, path, body=None, **query):
            if method == "PUT" and "dryRun" not in query and (turn := next(count)) % 2 == 0:
                status = {"status": {"observedGeneration": str(turn)}}
                merge = "application/merge-patch+json"
                api.send("PATCH", path + "/status", status, content_type=merge, fieldManager="istiod")
            return super().send(method, path, body, **query)

    objects = Objects(Busy(context), "run-1", [namespace])
    objects.put(rule(namespace, **HASH))
    assert objects.changed_by_others() == []
    objects.restore()
    assert [timeless(each) for each in snapshot(api, namespace)] == [timeless(each) for each in before]
    assert next(count) > 3


def timeless(found):
    """Without the time at which a status was written, by which the server orders managers."""
    managed = found["metadata"].pop("managedFields", [])
    for entry in managed:
        if entry.get("subresource") == "status":
            del entry["time"]
    return found, sorted(map(str, managed))


def test_a_namespace_that_does_not_exist_is_an_error(api):
    """Nothing can be put there."""
    with pytest.raises(MeshError, match=r'namespaces "meshtest-nowhere" not found'):
        Objects(api, "run-1", ["meshtest-nowhere"]).put(rule("meshtest-nowhere"))
