"""80/20 between v1 and v2 as productpage sees it: mesh traffic, through both sidecars."""

from meshtest import GET, split

REVIEWS = GET("http://reviews:9080/reviews/0")
SPLIT = split(v1=80, v2=20, within=5)


def test_split(mesh):
    """The configured shares reach the versions."""
    mesh.apply("test_reviews_from_productpage.yaml")
    mesh.workload("productpage-v1").expect(REVIEWS, SPLIT)


def test_wrong_split_is_noticed(mesh):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_reviews_from_productpage.yaml")
    mesh.workload("productpage-v1").control(REVIEWS, SPLIT)
