"""What of a cluster the checks are about."""

from __future__ import annotations

import pytest

from meshtest.meshes.kubernetes.check.answers import Answer, answers
from meshtest.meshes.kubernetes.check.control_plane import control_plane
from meshtest.meshes.kubernetes.check.reading import Place
from meshtest.meshes.kubernetes.check.rights import CONTROL_PLANE, TESTED
from meshtest.meshes.kubernetes.check.seen import Unseen
from meshtest.meshes.kubernetes.check.survey import Entrance, Survey
from tests.check.documents import NOW, deployment, pod, told

UNSEEN = Unseen("forbidden", "a rule")


def survey(plane, tested=None, namespaces=None, service=UNSEEN, configurations=UNSEEN, roots=None):
    return Survey(
        now=NOW,
        version={},
        plane=plane,
        entrance=Entrance(),
        gateway_place=plane,
        gateway_service=service,
        namespaces=namespaces or {},
        tested=tested or {},
        refused={},
        roots=roots or {plane.name: UNSEEN},
        configurations=configurations,
    )


def place(controllers, pods):
    return Place("istio-system", CONTROL_PLANE, controllers, pods, [])


def of(name, **labels):
    """A Deployment and its pod, with labels."""
    made = deployment(name)
    made["spec"]["template"] = {"metadata": {"labels": {"app": name, **labels}}}
    return made, pod(f"{name}-1", labels={"app": name, **labels})


def test_other_things_in_the_control_planes_namespace():
    """Istiod, Istio's gateways and the one that the Service selects count; Prometheus does not."""
    things = [of("istiod"), of("istio-egressgateway", istio="egressgateway"), of("front"), of("prometheus")]
    plane = place([each for each, _ in things], [each for _, each in things])
    found = survey(plane, service={"spec": {"selector": {"app": "front"}}})
    controllers, pods = found.of_mesh(plane)
    assert [each["metadata"]["name"] for each in controllers] == ["istiod", "istio-egressgateway", "front"]
    assert [each.name for each in pods] == ["istiod-1", "istio-egressgateway-1", "front-1"]
    assert [each.name for each in found.istiods] == ["istiod-1"]
    assert [each.name for each in found.gateways] == ["front-1"]


def test_an_istiod_that_is_scaled_to_nothing():
    """It has no pods, and is found by its template."""
    made, _ = of("istiod")
    made["spec"]["replicas"] = made["status"]["readyReplicas"] = 0
    found = told(control_plane(survey(place([made], [])), None))
    assert ("warning", "istio-system deployment/istiod", "scaled to 0") in found
    assert ("error", "istio-system istiod", "there is no pod with the label app=istiod") in found


def test_a_control_plane_elsewhere():
    """Unknown, and no error: injection from a URL says so."""
    injector = {"webhooks": [{"clientConfig": {"url": "https://mesh.example/inject/net"}}]}
    found = told(control_plane(survey(place([], []), configurations=[injector]), None))
    assert [each[0] for each in found if each[1] == "istio-system istiod"] == ["unknown"]


def test_pods_that_are_not_seen():
    """Nothing is said of an istiod that may well be there."""
    found = told(control_plane(survey(place(UNSEEN, UNSEEN)), None))
    assert [each[:2] for each in found] == [
        ("unknown", "istio-system workloads"),
        ("unknown", "istio-system pods"),
        ("unknown", "istio-system configmap/istio-ca-root-cert"),
    ]


def test_labels_of_namespaces_under_test():
    """Known of all, or not at all."""
    plane = place([], [])
    one = {"metadata": {"name": "a", "labels": {"team": "x"}}}
    assert survey(plane, namespaces={"a": one, "gone": None}).labels == [
        {"team": "x", "kubernetes.io/metadata.name": "a"}
    ]
    assert survey(plane, namespaces={"a": one, "b": UNSEEN}).labels is None
    assert survey(plane).labels is None


def test_the_root():
    """The control plane's, else that of a namespace under test."""
    plane = place([], [])
    assert survey(plane, roots={"istio-system": "PEM", "a": "other"}).root == "PEM"
    assert survey(plane, roots={"istio-system": UNSEEN, "a": "other"}).root == "other"
    assert survey(plane, roots={"istio-system": None}).root is None


def test_entrances():
    """As people give them."""
    assert Entrance.of("gates/front") == Entrance("gates", "front")
    for wrong in ("front", "/front", "gates/", "a/b/c", ""):
        with pytest.raises(ValueError, match="as in istio-system/istio-ingressgateway"):
            Entrance.of(wrong)


def test_answers():
    """Those that are right are one finding a pod; what the mesh can do without is a warning."""
    given = [
        Answer("istio-system", "a", 8080, "GET /ready", "(ready)"),
        Answer("istio-system", "a", 15010, "gRPC", error="nothing", essential=False),
        Answer("istio-system", "b", 15012, "gRPC", error="nothing"),
        Answer("istio-system", "a", 15014, "GET /version", "(monitoring)"),
    ]
    assert told(answers(given)) == [
        ("ok", "istio-system pod/a ports", "answer: 8080 (ready), 15014 (monitoring)"),
        ("warning", "istio-system pod/a port 15010", "does not answer gRPC: nothing"),
        ("error", "istio-system pod/b port 15012", "does not answer gRPC: nothing"),
    ]


def test_places():
    """Pods that are not meant to run are not looked at."""
    done = pod("done", phase="Succeeded")
    assert Place("a", TESTED, [], [done, pod("one")], []).living[0].name == "one"
    assert Place("a", TESTED, [], UNSEEN, []).living == []
