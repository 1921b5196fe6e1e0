"""Aborts: the proxy answers a share of the requests itself, with a status of HTTP or gRPC."""

import pytest

from meshtest import GET, aborted

pytestmark = pytest.mark.mesh_mutants(
    skip={
        "VirtualService/reviews:http[0].route*": "what is aborted goes nowhere",
        "VirtualService/reviews:http[1].route*": "what is aborted goes nowhere",
    }
)

URL = "http://bookinfo.example.com/reviews/0"
ANYBODY = GET(URL)
JASON = GET(URL, headers={"end-user": "jason"})
JASONN = GET(URL, headers={"end-user": "jasonn"})
GRPC = GET(URL, headers={"content-type": "application/grpc+proto"})
JASONS_GRPC = GET(URL, headers={"end-user": "jason", "content-type": "application/grpc"})

TENTH = aborted(503, percent=10)
JASONS = aborted(555, zero_within=5)
UNAVAILABLE = aborted(grpc="UNAVAILABLE", zero_within=5)


def test_a_share_is_aborted(mesh, ingress):
    """A tenth of the requests is aborted with the status of the fault, the rest is let through."""
    mesh.apply("test_aborts.yaml")
    ingress.expect(ANYBODY, TENTH)


def test_who_the_rule_names_is_aborted(mesh, ingress):
    """A fault in a rule for one user aborts each request of this user, with any status, also one that HTTP does not know (555)."""
    mesh.apply("test_aborts.yaml")
    ingress.expect(JASON, JASONS)


def test_nobody_else_is(mesh, ingress):
    """A user whose name only begins like that gets what everybody gets: the fault of the next rule, and never 555."""
    mesh.apply("test_aborts.yaml")
    ingress.expect(JASONN, TENTH)


def test_a_call_of_grpc_gets_a_status_of_grpc(mesh, ingress):
    """An abort with a gRPC status answers 200 with that status in the headers, as gRPC does without a message."""
    mesh.apply("test_aborts.yaml")
    ingress.expect(GRPC, UNAVAILABLE)
    assert ingress.get(URL, headers=dict(GRPC.headers)).status_code == 200


def test_a_status_of_http_is_translated_for_grpc(mesh, ingress):
    """An abort with a status of HTTP without a counterpart reaches a call of gRPC as UNKNOWN; the first rule that fits decides."""
    mesh.apply("test_aborts.yaml")
    ingress.expect(JASONS_GRPC, aborted(grpc="UNKNOWN", zero_within=5))


def test_aborts_never_reach_the_workload(mesh, ingress):
    """The workload sees none of the requests that are aborted."""
    mesh.apply("test_aborts.yaml")
    versions = [mesh.workload(f"reviews-v{number}") for number in (1, 2, 3)]
    before = [each.seen().requests for each in versions]
    ingress.expect(JASON, JASONS)
    assert [each.seen().requests for each in versions] == before


def test_the_rest_is_answered(mesh, ingress):
    """What is not aborted is answered by the workload as ever."""
    mesh.apply("test_aborts.yaml")
    others = set(ingress.measure(ANYBODY, 60, causes=True).summaries()) - {"503 FI fault_filter_abort"}
    assert others == {"200 - via_upstream"}


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_aborts.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404


@pytest.mark.parametrize(
    ("request_", "expectation"),
    [(ANYBODY, TENTH), (JASON, JASONS), (JASONN, TENTH), (GRPC, UNAVAILABLE)],
    ids=["anybody", "jason", "jasonn", "grpc"],
)
def test_controls(mesh, ingress, request_, expectation):
    """Another share and another status are called VIOLATED."""
    mesh.apply("test_aborts.yaml")
    ingress.control(request_, expectation)
