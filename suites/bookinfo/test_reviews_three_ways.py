"""50/30/20 between the three versions, within 10 points."""

import pytest

from meshtest import GET, split

REVIEWS = GET("http://bookinfo.example.com/reviews/0")
SPLIT = split(v1=50, v2=30, v3=20, within=10)

pytestmark = pytest.mark.mesh_mutants(points=20)


def test_split(mesh, ingress):
    """The configured shares reach the versions."""
    mesh.apply("test_reviews_three_ways.yaml")
    ingress.expect(REVIEWS, SPLIT)


def test_wrong_split_is_noticed(mesh, ingress):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_reviews_three_ways.yaml")
    ingress.control(REVIEWS, SPLIT)


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_reviews_three_ways.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404
