"""99/1 between v1 and v2: within 1 point, and v2 is not dead."""

from meshtest import GET, split

REVIEWS = GET("http://bookinfo.example.com/reviews/0")
SPLIT = split(v1=99, v2=1, within=1)


def test_split(mesh, ingress):
    """The configured shares reach the versions."""
    mesh.apply("test_reviews_99_1.yaml")
    ingress.expect(REVIEWS, SPLIT)


def test_wrong_split_is_noticed(mesh, ingress):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_reviews_99_1.yaml")
    ingress.control(REVIEWS, SPLIT)


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_reviews_99_1.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404
