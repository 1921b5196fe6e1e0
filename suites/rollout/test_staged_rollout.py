"""Staged rollout: traffic moves from one version to the next under load, and nobody notices but by the version."""

import pytest

from meshtest import GET, PolicyViolation, rollout, split, stage

pytestmark = pytest.mark.mesh_mutants(
    skip={
        "Gateway/bookinfo:selector:removed": "without a selector a Gateway is for all gateways, this one too",
        "Gateway/bookinfo:servers[0].port.protocol=HTTP*": "a gateway reads requests all the same",
        "VirtualService/reviews:http[0].route[1]:removed": "the rollout gives v2 its place, as it does with any weight",
        "VirtualService/reviews:http[0].route[1].destination.subset*": "what weight 0 leads to gets nothing, and the rollout names v2",
    }
)

REVIEWS = GET("http://bookinfo.example.com/reviews/0")
OLD, NEW = split(v1=100, v2=0, zero_within=5), split(v1=0, v2=100, zero_within=5)
HALF = split(v1=50, v2=50, within=15)
ROLLOUT = rollout(OLD, split(v1=90, v2=10, within=9), HALF, NEW)
WITHOUT_V2 = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
"""


def test_rollout(mesh, ingress):
    """A change of weights takes effect for all requests that begin after it is acknowledged, and loses none."""
    mesh.apply("test_staged_rollout.yaml")
    ingress.expect(REVIEWS, ROLLOUT)


def test_rollback_that_removes_the_subset_first(mesh, ingress):
    """A subset that is removed while a rule still names it fails the rule's requests (503) until the rule is changed too."""
    mesh.apply("test_staged_rollout.yaml")
    back = stage(OLD, WITHOUT_V2, "test_staged_rollout.yaml")
    with pytest.raises(PolicyViolation, match=r"during v1 100 %, v2 0 %\) got 503"):
        ingress.expect(REVIEWS, rollout(OLD, HALF, back))


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_staged_rollout.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404


def test_wrong_rollouts_are_noticed(mesh, ingress):
    """A stage that is off by the margin, and requests that are lost, are called VIOLATED."""
    mesh.apply("test_staged_rollout.yaml")
    ingress.control(REVIEWS, ROLLOUT)
