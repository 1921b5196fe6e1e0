"""What changes nothing: plans, wrong options, manifests for other places, and what the cluster refuses."""

import re
from dataclasses import replace

import pytest

from .admission import no_random

APPLIES = """
def test_applies(mesh):
    mesh.apply("canary.yaml", "more.yaml")
"""
LATER = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings}
spec: {host: ratings}
"""


@pytest.fixture
def watched(api, shop, tests):
    """Tests, of which each event in the namespace's objects would be noticed."""
    versions = resource_versions(api, shop)
    yield tests
    assert resource_versions(api, shop) == versions


def resource_versions(api, namespace):
    """Those of what is there; what was changed back has another."""
    plurals = ("destinationrules", "virtualservices", "gateways")
    found = [
        each for plural in plurals for each in api.list(f"/apis/networking.istio.io/v1/namespaces/{namespace}/{plural}")
    ]
    return {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in found}


def test_a_plan(shop, existing, watched):
    """It says what would be created, changed and restored; what needs traffic is skipped."""
    watched.write(
        more=LATER,
        test_plan="""
        def test_plan(mesh, ingress):
            mesh.apply("canary.yaml")
            mesh.apply("more.yaml")
            ingress.get("/reviews/0")
        """,
    )
    ended = watched.run("--mesh-plan")
    assert ended.status == 0, ended.text
    assert "1 skipped" in ended.text
    assert f"created  Gateway {shop}/edge (canary.yaml:2)" in ended.text
    assert f"created  DestinationRule {shop}/ratings (more.yaml:2)" in ended.text
    assert f"changed  DestinationRule {shop}/reviews (canary.yaml:" in ended.text
    assert "spec.trafficPolicy" in ended.text
    assert "what it changed restored to what it was" in ended.text


def test_no_namespace_is_named(tests):
    """A usage error, before anything is asked of the cluster."""
    tests.write(more=LATER, test_applies=APPLIES)
    ended = replace(tests, namespace=None).run()
    assert ended.status == 4, ended.text
    assert "name at least one --mesh-namespace" in ended.text


def test_another_namespace(shop, watched):
    """A resource of a namespace that was not named is an error with file and line, and those beside it are not applied either."""
    watched.write(more=LATER.replace("name: ratings", "name: ratings, namespace: default"), test_applies=APPLIES)
    ended = watched.run()
    assert ended.status == 1, ended.text
    assert (
        f"more.yaml:4: DestinationRule default/ratings metadata.namespace: meshtest touches only namespaces named to it ({shop})"
        in ended.text
    )


def test_what_is_wrong(watched):
    """Weights that are all 0: an error with file, line and field."""
    watched.write(
        more="""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: ratings}
        spec:
          hosts: [ratings]
          http:
          - route:
            - {destination: {host: ratings}, weight: 0}
            - {destination: {host: reviews}, weight: 0}
        """,
        test_applies=APPLIES,
    )
    ended = watched.run()
    assert ended.status == 1, ended.text
    assert re.search(r"more\.yaml:\d+: VirtualService .*/ratings spec\.http\[0\]\.route", ended.text), ended.text


def test_what_the_cluster_refuses(api, shop, watched):
    """Its policy's words, with file and line; and those beside it are not applied either."""
    watched.write(
        more=LATER.replace("host: ratings", "host: ratings, trafficPolicy: {loadBalancer: {simple: RANDOM}}"),
        test_applies=APPLIES,
    )
    with no_random(api, shop):
        ended = watched.run()
    assert ended.status == 1, ended.text
    assert re.search(rf"more\.yaml:\d+: DestinationRule {shop}/ratings.*no DestinationRule with RANDOM", ended.text)
