"""Mirroring: a share of the requests is copied to another workload, whose answers nobody sees."""

import pytest

from meshtest import GET, answered, mirrored, split

URL = "http://bookinfo.example.com/reviews/0"
ANYBODY = GET(URL)
JASON = GET(URL, headers={"end-user": "jason"})
JASONN = GET(URL, headers={"end-user": "jasonn"})

HALF = mirrored(to="reviews-v2", percent=50, within=10)
ALL = mirrored(to="reviews-v3", zero_within=5)
BY_V1 = split(v1=100, v2=0, v3=0, zero_within=5) & answered(200, flags="", within=5)


@pytest.mark.parametrize("request_", [ANYBODY, JASONN], ids=["anybody", "jasonn"])
def test_a_share_is_copied(mesh, ingress, request_):
    """Half of the requests arrive at the mirror, once each, and none is answered from there."""
    mesh.apply("test_mirroring.yaml")
    ingress.expect(request_, HALF)


def test_all_are_copied_without_a_percentage(mesh, ingress):
    """Without a percentage every request is copied."""
    mesh.apply("test_mirroring.yaml")
    ingress.expect(JASON, ALL)


def test_a_mirror_that_fails(mesh, ingress):
    """A mirror that answers 503 changes no answer."""
    mesh.apply("test_mirroring.yaml")
    failing = mesh.workload("reviews-v2").fails(503)
    ingress.expect(ANYBODY, BY_V1)
    assert failing.decided > 0


def test_a_mirror_that_stalls(mesh, ingress):
    """Nobody waits for a mirror that does not answer."""
    mesh.apply("test_mirroring.yaml")
    with mesh.workload("reviews-v2").stalls() as stalling:
        ingress.expect(ANYBODY, BY_V1)
        assert stalling.decided > 0


def test_a_mirror_that_hangs_up(mesh, ingress):
    """A mirror that ends its connections changes no answer."""
    mesh.apply("test_mirroring.yaml")
    hanging = mesh.workload("reviews-v3").hangs_up()
    ingress.expect(JASON, BY_V1)
    assert hanging.decided > 0


def test_a_copy_is_the_same_request(mesh, ingress):
    """A copy has the method, path and Host of its request: nothing like -shadow behind the Host."""
    mesh.apply("test_mirroring.yaml")
    mirror = mesh.workload("reviews-v3")
    with mirror.recording() as seen, mirror.holds() as hold:
        ingress.get(URL, headers={"end-user": "jason"})
        hold.wait(1)
    assert [(each.method, each.target, each.header("host")) for each in seen.requests] == [
        ("GET", "/reviews/0", "bookinfo.example.com")
    ]


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_mirroring.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404


@pytest.mark.parametrize(("request_", "expectation"), [(ANYBODY, HALF), (JASON, ALL)], ids=["anybody", "jason"])
def test_controls(mesh, ingress, request_, expectation):
    """Another share is called VIOLATED."""
    mesh.apply("test_mirroring.yaml")
    ingress.control(request_, expectation)
