"""Timeouts: how long the proxy waits for an answer, in all and in each try."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from meshtest import GET, answered, retried, timed_out

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
    "VirtualService/echo:http[2].retries.retryOn*": "neither Istio's default nor retriable-4xx repeats what timed out",
    "VirtualService/echo:http[2].retries.attempts=*": "what is not repeated is so however often it might be",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(skip=NOT_NOTICED),
    # What the analysis warns of, a try that runs out and is not repeated, is what is shown here.
    pytest.mark.filterwarnings("ignore:.*MT0322:meshtest.AnalysisWarning"),
]

WHOLE = GET("http://echo.example.com/whole/1")
TRIES = GET("http://echo.example.com/tries/1")
TRY = GET("http://echo.example.com/try/1")
PATIENT = GET("http://echo.example.com/patient/1")

AFTER_ALL = timed_out(0.6, tolerance=0.4, within=10)
AFTER_THREE = timed_out(0.3, attempts=3, tolerance=0.6, within=10)
AFTER_ONE = timed_out(0.6, attempts=1, tolerance=0.4, within=10)
MANY = 160  # connections: those of requests that wait are busy


@pytest.fixture
def stalled(mesh):
    """A mesh whose echo does not answer."""
    mesh.apply("test_timeouts.yaml")
    for version in ("echo-v1", "echo-v2"):
        mesh.workload(version).stalls()


def test_timeout_of_the_route(stalled, ingress):
    """A request that is not answered in the time of its rule gets 504 then (UT, response_timeout)."""
    ingress.expect(WHOLE, AFTER_ALL, connections=MANY)


def test_timeout_of_each_try(stalled, ingress):
    """A timeout of each try is a reason to try again where the rule retries on gateway-error: 504 comes after all tries have run out."""
    ingress.expect(TRIES, AFTER_THREE & retried(2, status=504, within=10), connections=MANY)


def test_timeout_of_a_try_that_is_not_repeated(stalled, ingress):
    """A timeout of the try ends the request where the rule retries on something else: 504 after one try (UT, upstream_per_try_timeout)."""
    ingress.expect(TRY, AFTER_ONE & retried(0, status=504, within=10), connections=MANY)


def test_quick_answers_are_not_touched(mesh, ingress):
    """Answers that come in time are what they are without a timeout."""
    mesh.apply("test_timeouts.yaml")
    ingress.expect(WHOLE, answered(200, flags="", attempts=1, within=20), connections=4)


def test_no_timeout_by_default(mesh, ingress):
    """Without a timeout in the rule a request waits: it is answered, after others with timeouts have run out several times."""
    mesh.apply("test_timeouts.yaml")
    holds = [mesh.workload(version).holds(path="/patient/") for version in ("echo-v1", "echo-v2")]
    mesh.workload("echo-v1").stalls()
    mesh.workload("echo-v2").stalls()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(ingress.get, PATIENT.target)
        ingress.measure(WHOLE, 2, connections=1)
        assert not waiting.done()
        for hold in holds:
            hold.release()
        assert waiting.result().status_code == 200


@pytest.mark.parametrize("path", ["/", "/health"])
def test_only_these_paths_are_routed(mesh, ingress, path):
    """A path that no rule names, and that echo would answer, is not found."""
    mesh.apply("test_timeouts.yaml")
    assert ingress.get(f"http://echo.example.com{path}").status_code == 404


@pytest.mark.parametrize(
    ("request_", "expectation"),
    [(WHOLE, AFTER_ALL), (TRIES, AFTER_THREE), (TRY, AFTER_ONE)],
    ids=["route", "tries", "try"],
)
def test_controls(stalled, ingress, request_, expectation):
    """A timeout that is longer or shorter is called VIOLATED."""
    ingress.control(request_, expectation, connections=MANY)
