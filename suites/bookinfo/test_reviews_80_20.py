"""80/20 between v1 and v2, within 5 points."""

from meshtest import GET, split

REVIEWS = GET("http://bookinfo.example.com/reviews/0")
SPLIT = split(v1=80, v2=20, within=5)


def test_split(mesh, ingress):
    """The configured shares reach the versions."""
    mesh.apply("test_reviews_80_20.yaml")
    ingress.expect(REVIEWS, SPLIT)


def test_wrong_split_is_noticed(mesh, ingress):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_reviews_80_20.yaml")
    ingress.control(REVIEWS, SPLIT)


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_reviews_80_20.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404
