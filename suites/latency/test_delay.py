"""Latency: percentiles tell a slow version from a fast one, and a delay that the mesh injects from a slow workload."""

import pytest

from meshtest import GET, PolicyViolation, delayed, latency, rate, split

pytestmark = pytest.mark.mesh_mutants(points=20)

REVIEWS, RATINGS = GET("http://bookinfo.example.com/reviews/0"), GET("http://bookinfo.example.com/ratings/0")
MANY = 128  # connections: those of slow answers are busy
FAST, SLOW = latency(p50=0.25, p90=0.35, version="v1"), latency(p50=0.25, version="v2")


def test_two_versions(mesh, ingress):
    """Each of two versions, of which one may be slow, answers half of the requests."""
    mesh.apply("test_delay.yaml")
    ingress.expect(REVIEWS, split(v1=50, v2=50, within=15))


def test_a_delay_is_in_the_tail(mesh, ingress):
    """A delay of three requests in ten leaves the median as it is, and is found from the seventieth percentile on."""
    mesh.apply("test_delay.yaml")
    ingress.expect(RATINGS, latency(p50=0.25), connections=64)
    with pytest.raises(PolicyViolation, match="took 350ms or longer, and 10 % may"):
        ingress.expect(RATINGS, latency(p90=0.35), connections=MANY)


def test_the_delay_is_the_meshs(mesh, ingress):
    """The proxy says of its delays that they are its own."""
    mesh.apply("test_delay.yaml")
    ingress.expect(RATINGS, delayed(0.5, percent=30, within=15), connections=MANY)


def test_a_slow_version(mesh, ingress):
    """A slow workload is not delayed by the mesh, and makes answers of its own version slow, not those of others."""
    mesh.apply("test_delay.yaml")
    with mesh.workload("reviews-v2").slow(0.4):
        ingress.expect(REVIEWS, FAST, connections=64)
        ingress.expect(REVIEWS, delayed(0.4, percent=0, zero_within=5), connections=MANY)
        with pytest.raises(PolicyViolation, match="answers of v2 took 250ms or longer"):
            ingress.expect(REVIEWS, SLOW, connections=MANY)


def test_rate(mesh, ingress):
    """Without a limit, so many answers a second are achieved over four connections."""
    mesh.apply("test_delay.yaml")
    ingress.expect(REVIEWS, rate(at_least=50, connections=4), connections=4)


def test_only_these_paths_are_routed(mesh, ingress):
    """Requests for ratings are answered by ratings; a path that no rule names, and that ratings would answer, is not found."""
    mesh.apply("test_delay.yaml")
    assert "ratings" in ingress.get(RATINGS.target).json()
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404


def test_wrong_latencies_are_noticed(mesh, ingress):
    """Answers that are slower than the bound by just the margin more, and a rate that is held down, are called VIOLATED."""
    mesh.apply("test_delay.yaml")
    ingress.control(REVIEWS, latency(p50=0.25, within=20), connections=64)
    ingress.control(REVIEWS, rate(at_least=50, connections=4, requests=20, bursts=2))
