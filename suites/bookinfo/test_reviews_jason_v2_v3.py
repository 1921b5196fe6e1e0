"""Jason sees v2 and everybody else v3, without exception (a leak of 1 % would be noticed)."""

import pytest

from meshtest import GET, split

JASON = GET("http://bookinfo.example.com/reviews/0", headers={"end-user": "jason"})
ANYBODY = GET("http://bookinfo.example.com/reviews/0")
SOMEBODY = GET("http://bookinfo.example.com/reviews/0", headers={"end-user": "jasonn"})

TO_V2 = split(v1=0, v2=100, v3=0, within=1)
TO_V3 = split(v1=0, v2=0, v3=100, within=1)
CASES = pytest.mark.parametrize(
    ("who", "where"), [(JASON, TO_V2), (ANYBODY, TO_V3), (SOMEBODY, TO_V3)], ids=["jason", "anybody", "jasonn"]
)


@CASES
def test_version(mesh, ingress, who, where):
    """Each sees the one version meant for them."""
    mesh.apply("test_reviews_jason_v2_v3.yaml")
    ingress.expect(who, where)


@CASES
def test_leak_is_noticed(mesh, ingress, who, where):
    """A mesh that sends 1 % elsewhere is called VIOLATED."""
    mesh.apply("test_reviews_jason_v2_v3.yaml")
    ingress.control(who, where)


@pytest.mark.parametrize("headers", [{}, {"end-user": "jason"}], ids=["anybody", "jason"])
def test_only_reviews_are_routed(mesh, ingress, headers):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_reviews_jason_v2_v3.yaml")
    assert ingress.get("http://bookinfo.example.com/health", headers=headers).status_code == 404
