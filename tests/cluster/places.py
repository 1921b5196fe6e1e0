"""Objects of a namespace that is changed, and all that must be as before."""

import copy
import json
import textwrap

from meshtest.resources.document import parse
from meshtest.resources.resource import resources

LEFT_OUT = ("resourceVersion", "generation")  # what `restored exactly` does not cover, besides status


def manifest(namespace, text, file="test.yaml"):
    found = resources(parse(textwrap.dedent(text), file), namespace)
    return {each.key: each for each in found}


def rule(namespace, **traffic_policy):
    """A DestinationRule as a manifest."""
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews"},
        "spec": {"host": "reviews", "trafficPolicy": traffic_policy or {"loadBalancer": {"simple": "RANDOM"}}},
    }
    return manifest(namespace, json.dumps(body))


HASH = {"loadBalancer": {"consistentHash": {"useSourceIp": True}}}


def path(namespace, name="reviews", plural="destinationrules"):
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/{plural}/{name}"


ISTIO, CORE = "/apis/networking.istio.io/v1", "/api/v1"
CHANGED = (
    *((ISTIO, each) for each in ("destinationrules", "virtualservices", "gateways")),
    ("/apis/networking.istio.io/v1alpha3", "envoyfilters"),
    *((CORE, each) for each in ("configmaps", "secrets", "services")),
    ("/apis/coordination.k8s.io/v1", "leases"),
)


def snapshot(api, namespace):
    """All that could have been changed in a namespace, as it must be afterwards."""
    found = [each for group, plural in CHANGED for each in api.list(f"{group}/namespaces/{namespace}/{plural}")]
    return [stripped(each) for each in found if not each["metadata"]["name"].startswith("istio-ca-")]


def stripped(found):
    out = copy.deepcopy({key: value for key, value in found.items() if key != "status"})
    for key in LEFT_OUT:
        out["metadata"].pop(key, None)
    return out


def shared(api, namespace):
    """An object that three managers have a part in, and a controller writes the status of."""
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {
            "name": "reviews",
            "namespace": namespace,
            "labels": {"team": "a", "app.kubernetes.io/instance": "shop"},
        },
        "spec": {
            "host": "reviews",
            "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}},
            "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
        },
    }
    api.send("POST", api.collection_of(body), body, fieldManager="kubectl-client-side-apply")
    pool = {"connectionPool": {"tcp": {"maxConnections": 5}}}
    named = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {"name": "reviews", "namespace": namespace},
    }
    api.apply({**named, "spec": {"trafficPolicy": pool}}, manager="argocd")
    edit = {"metadata": {"labels": {"edited": "yes"}}, "spec": {"exportTo": ["."]}}
    api.send("PATCH", path(namespace), edit, content_type="application/merge-patch+json", fieldManager="kubectl-edit")
    status = {"status": {"observedGeneration": "3"}}
    api.send(
        "PATCH", path(namespace) + "/status", status, content_type="application/merge-patch+json", fieldManager="istiod"
    )
    return api.get(path(namespace))
