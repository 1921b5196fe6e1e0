"""Sidecars: who would inject them, and which pods have none though they should."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.check.injection import asks, injected, injection, injectors
from meshtest.meshes.kubernetes.check.seen import Unseen
from tests.check.documents import ago, pod, told

UNSEEN = Unseen("forbidden", "a rule")
OUT = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}


def there(key):
    return {"key": key, "operator": "Exists"}


def absent(key):
    return {"key": key, "operator": "DoesNotExist"}


def within(key, value):
    return {"key": key, "operator": "In", "values": [value]}


def of_revision(revision):
    """The webhooks that `istioctl install` makes (manifests/charts/istio-control/istio-discovery, mutatingwebhook.yaml)."""
    selectors = [
        ([within("istio.io/rev", revision), absent("istio-injection")], [OUT]),
        ([absent("istio.io/rev"), absent("istio-injection")], [OUT, within("istio.io/rev", revision)]),
    ]
    if revision == "default":
        selectors += [
            ([within("istio-injection", "enabled")], [OUT]),
            (
                [absent("istio-injection"), absent("istio.io/rev")],
                [within("sidecar.istio.io/inject", "true"), absent("istio.io/rev")],
            ),
        ]
    return {
        "webhooks": [
            {
                "name": f"{number}.sidecar-injector.istio.io",
                "clientConfig": {"service": {"name": "istiod", "namespace": "istio-system", "path": "/inject"}},
                "rules": [{"resources": ["pods"]}],
                "namespaceSelector": {"matchExpressions": namespaces},
                "objectSelector": {"matchExpressions": pods},
            }
            for number, (namespaces, pods) in enumerate(selectors)
        ]
    }


BOTH = injectors([of_revision("default"), of_revision("canary")])


def namespace(labels=None, labelled=None):
    managed = (
        [
            {
                "manager": "kubectl",
                "time": labelled,
                "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}},
            }
        ]
        if labelled
        else []
    )
    return {"metadata": {"name": "shop", "labels": labels or {}, "managedFields": managed}}


def judged(labels, *pods, seen=BOTH, labelled=None):
    return told(injection(namespace(labels, labelled), pods, seen))


def test_each_pod_has_one():
    """Also as a native sidecar, which is an init container."""
    native = pod("two", sidecar=False, spec={"initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}]})
    assert judged({"istio-injection": "enabled"}, pod(), native) == [
        ("ok", "shop namespace/shop", "asks for sidecars: istio-injection=enabled"),
        ("ok", "shop sidecars", "each of 2 pods has one"),
    ]


def test_a_pod_without():
    """It is older than the label, or it is not."""
    labels, bare = {"istio-injection": "enabled"}, pod(sidecar=False, created=ago(hours=2))
    ((*_, older),) = judged(labels, bare, labelled=ago(hours=1))[1:]
    assert older == "has no sidecar: it is older than the label of namespace shop"
    ((severity, subject, message),) = judged(labels, bare, labelled=ago(hours=3))[1:]
    assert (severity, subject) == ("error", "shop pod/one")
    assert message.startswith("has no sidecar: the webhook was not asked")


def test_remedies_name_the_deployment():
    """The owner's name without the hash of the template; a lone pod is to be applied again."""
    owned = pod("web-5d-x", sidecar=False)
    owned.document["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-v1-5d"}]
    labels = {"istio-injection": "enabled"}
    found = list(injection(namespace(labels), [owned, pod(sidecar=False)], BOTH))
    assert "kubectl -n shop rollout restart deployment web-v1;" in found[1].remedy
    assert "delete pod one, and apply it again" in found[2].remedy


def test_opting_out():
    """By label, by annotation, by the host's network: said, and no error. The label counts more than the annotation."""
    key = "sidecar.istio.io/inject"
    for how, why in (
        ({"labels": {key: "false"}}, "label sidecar.istio.io/inject: false"),
        ({"annotations": {key: "false"}}, "annotation sidecar.istio.io/inject: false"),
        ({"spec": {"hostNetwork": True}}, "hostNetwork: true"),
    ):
        ((severity, _, message),) = judged({"istio-injection": "enabled"}, pod(sidecar=False, **how))[1:]
        assert severity == "warning"
        assert f"has no sidecar, by {why}:" in message
    both = pod(sidecar=False, labels={key: "true"}, annotations={key: "false"})
    assert judged({"istio-injection": "enabled"}, both)[1][0] == "error"


def test_opting_in():
    """Where the namespace says nothing, a pod that asks and has none is an error; others are as they should be."""
    asking = pod(sidecar=False, labels={"sidecar.istio.io/inject": "true"})
    first, second = judged({}, asking, pod("other", sidecar=False))
    assert first[0] == "warning"
    assert second[:2] == ("error", "shop pod/one")


def test_revisions():
    """One that is there, one that is not, two labels at once, and one that says it is off."""
    assert judged({"istio.io/rev": "canary"})[0][0] == "ok"
    assert judged({"istio.io/rev": "gone"})[0][::2] == (
        "error",
        "istio.io/rev=gone: no webhook injects sidecars for that",
    )
    assert judged({"istio.io/rev": "canary", "istio-injection": "enabled"})[0][0] == "warning"
    assert judged({"istio-injection": "disabled"})[0][0] == "warning"
    assert judged({"istio.io/dataplane-mode": "ambient"})[0][0] == "error"


def test_sidecars_of_several_revisions():
    """After a canary upgrade, before all is restarted."""

    def by(revision, name):
        return pod(name, annotations={"sidecar.istio.io/status": json.dumps({"revision": revision})})

    found = judged({"istio-injection": "enabled"}, by("default", "a"), by("canary", "b"), by("default", "c"))
    message = "were injected by several revisions of Istio: 1 of canary, 2 of default"
    assert ("warning", "shop sidecars", message) in found


LABELS = st.fixed_dictionaries(
    {},
    optional={"istio-injection": st.sampled_from(["enabled", "disabled"]), "istio.io/rev": st.just("default")},
)
POD_LABELS = st.fixed_dictionaries({}, optional={"sidecar.istio.io/inject": st.sampled_from(["true", "false"])})


@given(LABELS, POD_LABELS)
def test_labels_tell_what_the_webhooks_do(labels, of_pod):
    """Who may not read the webhooks judges by labels, and comes to the same for Istio's own."""
    webhooks = injectors([of_revision("default")])
    assert asks(namespace(labels), UNSEEN) == asks(namespace(labels), webhooks)
    bare = pod(sidecar=False, labels=of_pod)
    found = (judged(labels, bare, seen=each) for each in (UNSEEN, webhooks))
    by_labels, by_webhooks = ([each for each in one if each[1] == "shop pod/one"] for one in found)
    assert by_labels == by_webhooks


def test_a_dry_run_is_believed():
    """With a sidecar, without, and refused."""
    assert injected("shop", pod().document).severity == "ok"
    assert injected("shop", pod(sidecar=False).document).severity == "error"
    refused = injected("shop", "violates PodSecurity")
    assert (refused.severity, refused.message) == ("error", "a new pod is refused (dry run): violates PodSecurity")


def test_other_webhooks_inject_nothing():
    """Only those for pods at a path of an injector count; one outside of the cluster does."""
    other = {"name": "x", "clientConfig": {"service": {"path": "/mutate"}}, "rules": [{"resources": ["pods"]}]}
    managed = {
        "name": "y",
        "clientConfig": {"url": "https://mesh.example/inject/1"},
        "rules": [{"resources": ["pods"]}],
    }
    assert [each.name for each in injectors([{"webhooks": [other, managed]}, {}])] == ["y"]
