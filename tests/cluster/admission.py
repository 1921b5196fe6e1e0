"""A policy of the cluster's own that refuses objects."""

from contextlib import contextmanager

from meshtest.meshes.kubernetes.api import Refused

from .places import rule
from .stand_ins import until


@contextmanager
def no_random(api, namespace):
    """Whoever wants RANDOM of a DestinationRule in this namespace is refused meanwhile; the server takes a moment to know."""
    policy(api, namespace)
    try:
        until(lambda: denied(api, namespace), "the policy is in force")
        yield
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            api.send("DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind}/{namespace}")
        until(lambda: not denied(api, namespace), "the policy is gone")


def policy(api, namespace):
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rules = [
        {
            "apiGroups": ["networking.istio.io"],
            "apiVersions": ["*"],
            "operations": ["*"],
            "resources": ["destinationrules"],
        }
    ]
    simple = "object.spec.?trafficPolicy.?loadBalancer.?simple.orValue('')"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": rules},
        "validations": [{"expression": f"{simple} != 'RANDOM'", "message": "no DestinationRule with RANDOM"}],
    }
    bound = {"policyName": namespace, "validationActions": ["Deny"]}
    for kind, each in (("ValidatingAdmissionPolicy", spec), ("ValidatingAdmissionPolicyBinding", bound)):
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": namespace},
            "spec": each,
        }
        api.apply(body, manager="test")


def denied(api, namespace):
    (resource,) = rule(namespace).values()
    probe = {**resource.body, "metadata": {"name": "probe", "namespace": namespace}}
    try:
        api.send("POST", api.collection_of(probe), probe, dryRun="All")
    except Refused:
        return True
    return False
