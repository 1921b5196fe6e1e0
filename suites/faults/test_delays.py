"""Delays: the proxy keeps a share of the requests for a time, before it sends them on."""

import pytest

from meshtest import GET, HOLDS, SplitTest, aborted, answered, delayed

# What the analysis warns of, a timeout that does not cut a delay short, is what is shown here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*MT0315:meshtest.AnalysisWarning"),
    pytest.mark.mesh_mutants(points=25, skip={"*http[0].timeout*": "it does not limit the delay"}),
]

URL = "http://bookinfo.example.com/reviews/0"
ANYBODY = GET(URL)
JASON = GET(URL, headers={"end-user": "jason"})
JASONN = GET(URL, headers={"end-user": "jasonn"})

HALF = delayed(0.5, tolerance=0.3, percent=50, within=20)
MANY = 200  # connections: those of delayed requests are busy
SOME = 64  # so that the workload, which gets all of them at once after the delay, answers within the timeout
WHOLE = delayed(0.9, tolerance=0.4, zero_within=10)


@pytest.mark.parametrize("request_", [ANYBODY, JASONN], ids=["anybody", "jasonn"])
def test_a_share_is_delayed(mesh, ingress, request_):
    """Half of the requests are held for the time of the fault before they are sent on, the rest is not held."""
    mesh.apply("test_delays.yaml")
    ingress.expect(request_, HALF, connections=MANY)


def test_timeout_does_not_limit_a_delay(mesh, ingress):
    """A delay is not limited by the timeout of its own rule, whose time begins when the request is sent on."""
    mesh.apply("test_delays.yaml")
    ingress.expect(JASON, WHOLE & answered(200, flags="DI", within=10), connections=SOME)


def test_delay_and_abort_are_drawn_independently(mesh, ingress):
    """With a delay and an abort in one fault each is drawn by itself: of four requests one has both, one either, and one none."""
    mesh.apply("test_delays.yaml")
    test = SplitTest({"DI,FI": 25, "DI": 25, "FI": 25, "": 25}, within=15)
    while test.verdict is None:
        sample = ingress.measure(ANYBODY, test.suggested_batch(), connections=MANY, causes=True)
        test.observe_many(",".join(sorted(cause.flags)) for cause in sample.causes)
    assert test.verdict is HOLDS, test.judgement()


def test_an_abort_waits_for_the_delay(mesh, ingress):
    """A request that has both is aborted after its delay, and with the status of the abort."""
    mesh.apply("test_delays.yaml")
    ingress.expect(ANYBODY, HALF & aborted(503, percent=50, within=20), connections=MANY)


def test_only_reviews_are_routed(mesh, ingress):
    """A path that no rule names, and that reviews would answer, is not found."""
    mesh.apply("test_delays.yaml")
    assert ingress.get("http://bookinfo.example.com/health").status_code == 404


@pytest.mark.parametrize(("request_", "expectation"), [(ANYBODY, HALF), (JASON, WHOLE)], ids=["anybody", "jason"])
def test_controls(mesh, ingress, request_, expectation):
    """Another share and another time are called VIOLATED."""
    mesh.apply("test_delays.yaml")
    ingress.control(request_, expectation, connections=MANY)
