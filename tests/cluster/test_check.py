"""Checks of a real cluster: each finding is made to happen, and `istioctl` is the witness where it knows it, too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from base64 import b64encode

import pytest
import yaml

from meshtest.cli import main
from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Missing
from meshtest.meshes.kubernetes.check.preflight import check, preflight
from meshtest.meshes.kubernetes.check.role import manifests
from meshtest.meshes.kubernetes.check.survey import Entrance

from .accounts import renamed

IMAGE = os.environ.get("MESHTEST_CLUSTER_IMAGE", "localhost/base:1")
READY = 60.0  # seconds for a pod, on a busy machine


def label(api, namespace, labels):
    """Set labels of a namespace."""
    body = {"metadata": {"labels": labels}}
    api.send("PATCH", f"/api/v1/namespaces/{namespace}", body, content_type="application/merge-patch+json")


def pod(api, namespace, name, command=("sleep", "600"), wait=True, **metadata):
    """A pod of one container; it is waited for until it is ready."""
    container = {"name": "app", "image": IMAGE, "imagePullPolicy": "Never", "command": list(command)}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}
    made = api.send("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    if wait:
        awaited(lambda: ready(api, namespace, name))
    return made


def ready(api, namespace, name):
    conditions = api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def awaited(fact):
    """Wait until something is so."""
    end = time.monotonic() + READY
    while not fact():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.1)


def of(findings, subject):
    """Severity and message of the findings about something."""
    return [(each.severity, each.message) for each in findings if each.subject.startswith(subject)]


def not_fine(findings):
    """What is not as it must be, but for what the test bed has not (versions), and webhooks that other tests break just now."""
    known = ("istio versions", "validatingwebhookconfiguration/meshtest-")
    return [each for each in findings if each.severity != "ok" and not each.subject.startswith(known)]


def istioctl(*arguments):
    """What the witness says."""
    found = shutil.which("istioctl")
    if not found:
        pytest.skip("istioctl is not on PATH")
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def asking(api, namespace):
    """A namespace that asks for sidecars."""
    label(api, namespace, {"istio-injection": "enabled"})
    awaited(lambda: has_root(api, namespace))
    return namespace


def has_root(api, namespace):
    try:
        return api.get(f"/api/v1/namespaces/{namespace}/configmaps/istio-ca-root-cert")
    except Missing:
        return False


def test_a_ready_cluster(api, asking):
    """A pod with a sidecar: all is well, as istioctl sees it, too."""
    pod(api, asking, "one")
    found = preflight(api, [asking])
    assert of(found, f"{asking} sidecars") == [("ok", "each of 1 pods has one")]
    assert of(found, f"{asking} injection") == [("ok", "a new pod gets a sidecar (dry run)")]
    assert of(found, f"{asking} validation") == [
        ("ok", "istiod takes a right VirtualService, and refuses a wrong one (dry runs)")
    ]
    assert of(found, f"{asking} proxies") == [("ok", "1 of 1 connected to istiod and SYNCED")]
    assert of(found, f"{asking} certificates")[0][0] == "ok"
    assert of(found, f"{asking} rights") == [("ok", "all that meshtest needs")]
    assert not_fine(found) == []
    witness = istioctl("proxy-status", "-v", "1", "-n", asking)
    assert f"one.{asking}" in witness
    assert "SYNCED" in witness
    assert "STALE" not in witness


def test_pods_without_sidecar(api, namespace):
    """One that is older than the label, one that opted out, one injected; istioctl analyze misses a sidecar of the first alone."""
    pod(api, namespace, "older")
    label(api, namespace, {"istio-injection": "enabled"})
    awaited(lambda: has_root(api, namespace))
    pod(api, namespace, "out", labels={"sidecar.istio.io/inject": "false"})
    pod(api, namespace, "in")
    found = check(api, [namespace])
    message = f"has no sidecar: it is older than the label of namespace {namespace}"
    assert ("error", message) in of(found, f"{namespace} pod/older")
    severity, message = next(each for each in of(found, f"{namespace} pod/out") if "sidecar" in each[1])
    assert severity == "warning"
    assert "by label sidecar.istio.io/inject: false" in message
    assert of(found, f"{namespace} pod/in") == [("ok", "ready, no restarts")]
    with pytest.raises(MeshError, match=rf"{namespace} pod/older: has no sidecar.*\n.*apply it again"):
        preflight(api, [namespace])
    witness = json.loads(istioctl("analyze", "-n", namespace, "-o", "json", "--output-threshold", "Warning") or "[]")
    assert [each["origin"] for each in witness if each["code"] == "IST0103"] == [f"Pod {namespace}/older"]


def test_a_namespace_that_does_not_ask(api, namespace):
    """A warning; istioctl analyze says IST0102."""
    found = check(api, [namespace])
    assert of(found, f"{namespace} namespace/")[0][0] == "warning"
    assert not of(found, f"{namespace} injection")
    assert "IST0102" in istioctl("analyze", "-n", namespace, "-o", "json")


def test_a_revision_that_is_not_there(api, namespace):
    """The namespace asks, and nobody injects."""
    label(api, namespace, {"istio.io/rev": "canary"})
    found = check(api, [namespace])
    assert ("error", "istio.io/rev=canary: no webhook injects sidecars for that") in of(
        found, f"{namespace} namespace/"
    )


def test_namespaces_that_are_not_there(api):
    """Neither that under test, nor that of the control plane."""
    found = check(api, ["meshtest-nowhere"], istio="meshtest-nowhere-either")
    assert ("error", "is not there") in of(found, "meshtest-nowhere namespace/")
    assert ("error", "there is no pod with the label app=istiod") in of(found, "meshtest-nowhere-either istiod")


def test_a_pod_that_crashes(api, namespace):
    """Its last end is told, and how often."""
    pod(api, namespace, "crashes", ("sh", "-c", "exit 3"), wait=False)
    path = f"/api/v1/namespaces/{namespace}/pods/crashes"
    awaited(
        lambda: any(
            "terminated" in each.get("lastState", {}) for each in api.get(path)["status"].get("containerStatuses", ())
        )
    )
    ((severity, message),) = of(check(api, [namespace]), f"{namespace} pod/crashes")
    assert severity == "warning"
    assert "Error, exit status 3" in message


def test_a_gateway_that_is_not_ready(api, namespace):
    """Its Service leads to a pod that no node can hold: the scheduler's words are told."""
    labels = {"app": "gate", "istio": "gate"}
    containers = [{"name": "istio-proxy", "image": IMAGE, "resources": {"requests": {"memory": "9Ti"}}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gate"}, "spec": spec}
    api.send("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment)
    service = {"selector": labels, "ports": [{"name": "http", "port": 80}]}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "gate"}, "spec": service}
    api.send("POST", f"/api/v1/namespaces/{namespace}/services", body)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    awaited(lambda: [each for each in api.list(pods) if each["status"].get("conditions")])
    found = check(api, [], entrance=Entrance(namespace, "gate"))
    assert ("error", "leads to 1 pods, none of them ready: nothing enters the mesh") in of(
        found, f"{namespace} service/gate"
    )
    ((severity, message),) = of(found, f"{namespace} deployment/gate")
    assert severity == "error"
    assert message.startswith("0 of 1 ready: not scheduled: 0/1 nodes are available: 1 Insufficient memory")


def webhook(namespace, service, bundle):
    """A webhook of a namespace alone, for VirtualServices."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "own.meshtest.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 2,
                "failurePolicy": "Fail",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "clientConfig": {"service": service, "caBundle": b64encode(bundle.encode()).decode()},
                "rules": [
                    {
                        "apiGroups": ["networking.istio.io"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE"],
                        "resources": ["*"],
                    }
                ],
            }
        ],
    }


def test_a_webhook_that_does_not_trust_istiod(api, namespace, granted):
    """Its bundle holds another root: it is said of the webhook, and of what cannot be applied any more."""
    other = api.get("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")["data"]["ca.crt"]
    service = {"namespace": "istio-system", "name": "istiod", "path": "/validate"}
    granted(yaml.safe_dump(webhook(namespace, service, other)))
    awaited(lambda: of(check(api, [namespace]), f"{namespace} validation")[0][0] == "error")
    found = check(api, [namespace])
    ((severity, message),) = of(found, f"validatingwebhookconfiguration/{namespace}")
    assert severity == "error"
    assert message.startswith("own.meshtest.dev asks istiod.istio-system.svc:443: its certificate is not accepted")
    ((severity, message),) = of(found, f"{namespace} validation")
    assert severity == "error"
    assert "failed calling webhook" in message


def test_a_webhook_whose_service_is_not_there(api, namespace, granted):
    """The Service that it asks is named."""
    root = api.get("/api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert")["data"]["root-cert.pem"]
    service = {"namespace": "istio-system", "name": "istiod-old", "path": "/validate"}
    granted(yaml.safe_dump(webhook(namespace, service, root)))
    found = of(check(api, []), f"validatingwebhookconfiguration/{namespace}")
    assert found == [
        (
            "error",
            "own.meshtest.dev asks istiod-old.istio-system.svc:443: there is no Service istiod-old in istio-system",
        )
    ]


def test_without_rights(api, asking, account):
    """A service account without any right: nothing that it cannot see is fine, and each rule that is missing is named."""
    pod(api, asking, "one")
    found = check(account(asking), [asking])
    assert of(found, f"{asking} pods")[0][0] == "unknown"
    assert of(found, f"{asking} namespace/")[0][0] == "unknown"
    assert of(found, "istio-system pods")[0][0] == "unknown"
    assert of(found, "cluster webhooks")[0][0] == "unknown"
    assert "error" in [severity for severity, _ in of(found, f"{asking} rights")]
    fine = [each.subject for each in found if each.severity == "ok"]
    assert fine == ["kubernetes version"]
    assert all(each.remedy for each in found if each.severity == "unknown")
    right = next(each for each in found if "virtualservices, workloadentries of networking" in each.message)
    assert '"resources": ["destinationrules", "gateways"' in right.remedy


def test_with_the_documented_role(api, asking, account, granted):
    """A service account with just that sees all, and all is well."""
    pod(api, asking, "one")
    user = account(asking)
    granted(renamed(manifests([asking], ["istio-system"], (asking, "meshtest")), asking))
    found = preflight(user, [asking])
    assert not_fine(found) == []
    assert of(found, f"{asking} proxies") == [("ok", "1 of 1 connected to istiod and SYNCED")]


def test_the_command(api, context, namespace, capsys):
    """It prints a table, or JSON, and its exit status says whether something is wrong."""
    awaited(lambda: has_root(api, namespace))
    assert main(["check", "--kube-context", context, "--mesh-namespace", namespace]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["STATUS", "SUBJECT", "FOUND"]
    assert any(line.startswith("warning") and f"{namespace} namespace/{namespace}" in line for line in lines)
    assert f"  {namespace} namespace/{namespace}:" in lines
    assert main(["check", "--kube-context", context, "--gateway", "istio-system/none", "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {"error"} == {each["severity"] for each in found if each["subject"] == "istio-system service/none"}
