"""Webhooks, and the Services behind them."""

from __future__ import annotations

from base64 import b64encode

from meshtest.meshes.kubernetes.check.seen import Unseen
from meshtest.meshes.kubernetes.check.services import behind, gateway, target_port
from meshtest.meshes.kubernetes.check.webhooks import client, clients, elsewhere, of_istiod, validated, webhooks
from tests.check.documents import pod, told

BUNDLE = b64encode(b"PEM").decode()


def webhook(**parts):
    service = {"name": "istiod", "namespace": "istio-system", "path": "/validate"}
    return {
        "name": "one.istio.io",
        "clientConfig": {"service": service, "caBundle": BUNDLE},
        "failurePolicy": "Fail",
        **parts,
    }


def configuration(*those, kind="ValidatingWebhookConfiguration"):
    return {"kind": kind, "metadata": {"name": "istio"}, "webhooks": list(those)}


def judged(one, error="", namespaces=None):
    return told(webhooks([one], dict.fromkeys(clients([one]), error), namespaces))


SUBJECT = "validatingwebhookconfiguration/istio"


def test_as_it_must_be():
    """It answers, and proves who it is."""
    assert judged(configuration(webhook())) == [("ok", SUBJECT, "istiod answers, and proves who it is")]


def test_what_goes_wrong_is_told_with_its_name():
    """An error for those it takes; a warning where it takes none of the namespaces under test."""
    one = configuration(webhook(namespaceSelector={"matchLabels": {"team": "a"}}))
    ((severity, _, message),) = judged(one, "it expired", [{"team": "a"}, {}])
    assert (severity, message) == ("error", "one.istio.io asks istiod.istio-system.svc:443: it expired")
    assert judged(one, "it expired")[0][0] == "error"
    assert judged(one, "it expired", [{"team": "b"}])[0][0] == "warning"


def test_an_empty_bundle():
    """Istiod has not filled it in yet; there is nothing to ask with."""
    config = {"service": {"name": "istiod", "namespace": "istio-system"}}
    one = configuration(webhook(clientConfig=config))
    assert clients([one]) == []
    assert judged(one)[0][::2] == (
        "error",
        "one.istio.io asks istiod.istio-system.svc:443: its caBundle is empty: no answer is trusted",
    )


def test_one_that_could_not_be_asked():
    """Is not fine."""
    assert judged(configuration(webhook()), Unseen("forbidden", "a rule"))[0][0] == "unknown"


def test_ignored_failures():
    """What is lost depends on the kind."""
    one = configuration(webhook(failurePolicy="Ignore"))
    assert "wrong resources are taken" in judged(one)[0][2]
    one = configuration(webhook(failurePolicy="Ignore"), kind="MutatingWebhookConfiguration")
    assert "pods start without a sidecar" in judged(one)[0][2]


def test_whose_they_are():
    """Istiod's, by the Service and its namespace; those of a control plane elsewhere have a URL."""
    other = configuration(webhook(clientConfig={"service": {"name": "x", "namespace": "y"}}))
    managed = configuration(webhook(clientConfig={"url": "https://mesh.example/inject"}))
    ours = configuration(webhook())
    assert of_istiod([other, managed, ours, configuration()], "istio-system") == [ours]
    assert of_istiod([ours], "mesh") == []
    assert elsewhere([other, ours]) == ""
    assert elsewhere([other, managed]) == "https://mesh.example/inject"
    assert told(webhooks([], {}, None)) == [("warning", "webhooks", "no webhook asks istiod")]


def test_a_bundle_that_is_none():
    """What is no base64 is shown to those who use it, who refuse it."""
    asked = client(webhook(clientConfig={"service": {"name": "istiod", "namespace": "x"}, "caBundle": "?"}))
    assert asked.roots == "?"
    assert client(webhook()).roots == "PEM"


def test_dry_runs():
    """A right one is taken and a wrong one refused, or it is said which is not so."""
    assert validated("shop", "", True).severity == "ok"
    assert validated("shop", "", False).severity == "warning"
    assert validated("shop", "failed calling webhook", False).severity == "error"


def test_services():
    """Ports lead to numbers, to names of a pod's ports, or nowhere."""
    ports = [{"port": 443, "targetPort": 15017}, {"port": 80, "targetPort": "web"}, {"port": 15021}]
    service = {"spec": {"selector": {"app": "web"}, "ports": ports}}
    one = pod(labels={"app": "web"})
    one.document["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 8080}]
    assert [target_port(service, each, one) for each in (443, 80, 15021, 1)] == [15017, 8080, 15021, None]
    assert target_port(service, 80, pod()) is None
    assert behind(service, [one, pod("other")]) == [one]
    assert behind({"spec": {}}, [one]) == []


def test_gateways():
    """There and ready, there and not, and not there."""
    service = {"spec": {"selector": {"app": "web"}}}
    one, unready = pod(labels={"app": "web"}), pod(labels={"app": "web"}, ready=False)
    assert told(gateway("shop", "gate", service, [one, unready])) == []
    assert (
        told(gateway("shop", "gate", service, [unready]))[0][2]
        == "leads to 1 pods, none of them ready: nothing enters the mesh"
    )
    assert told(gateway("shop", "gate", service, []))[0][2] == "leads to no pod: nothing enters the mesh"
    assert told(gateway("shop", "gate", None, [one]))[0][0] == "error"
