"""Retries: which answers the proxy tries to better, how often, and at which instance."""

from collections import Counter

import pytest

from meshtest import GET, answered, retried

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
    "VirtualService/echo:http[6].retries*": "that retries do nothing for a fault is what is shown",
    "VirtualService/echo:http[6].route*": "what is aborted goes nowhere",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(skip=NOT_NOTICED),
    # What the analysis warns of, retries that do nothing for an injected fault, is what is shown here.
    pytest.mark.filterwarnings("ignore:.*MT0314:meshtest.AnalysisWarning"),
]

WITHIN = 20  # points: all requests of a kind are treated alike
CASES = [
    ("default", 503, 0),
    ("never", 503, 0),
    ("any-error", 500, 2),
    ("any-error", 503, 2),
    ("any-error", 404, 0),
    ("gateway-error", 502, 1),
    ("gateway-error", 503, 1),
    ("gateway-error", 504, 1),
    ("gateway-error", 500, 0),
    ("status", 429, 1),
    ("status", 503, 0),
    ("conflict", 409, 1),
    ("conflict", 404, 0),
]


def get(path):
    """A request under one of the paths."""
    return GET(f"http://echo.example.com/{path}/1")


@pytest.mark.parametrize(("path", "status", "times"), CASES)
def test_what_is_retried(mesh, ingress, path, status, times):
    """A workload's answer is retried so often as `attempts` says if it is what `retryOn` names, and else not; by default a 503 is not."""
    mesh.apply("test_retries.yaml")
    mesh.workload("echo-v1").fails(status)
    ingress.expect(get(path), retried(times, status=status, within=WITHIN))


@pytest.mark.parametrize(("path", "attempts"), [("default", 3), ("never", 1)])
def test_what_is_retried_by_default(mesh, ingress, path, attempts):
    """An answer of gRPC that says UNAVAILABLE (14) is retried twice without anything being configured, and with `attempts: 0` never."""
    mesh.apply("test_retries.yaml")
    unavailable = {"grpc-status": "14"}
    mesh.workload("echo-v1").fails(200, answer_headers=unavailable)
    ingress.expect(get(path), answered(200, headers=unavailable, attempts=attempts, within=WITHIN))


def test_what_the_workload_sees(mesh, ingress):
    """Two retries make three requests of one."""
    mesh.apply("test_retries.yaml")
    echo = mesh.workload("echo-v1")
    echo.fails(503)
    before = echo.seen()
    ingress.measure(get("any-error"), 20)
    assert (echo.seen() - before).requests == 60


def test_retries_hide_a_fault(mesh, ingress):
    """Retries hide that one of three instances fails."""
    mesh.apply("test_retries.yaml")
    failing = mesh.workload("echo-v1").instance(0).fails(503)
    ingress.expect(get("any-error"), answered(200, flags="", within=10))
    assert failing.decided > 0


def test_no_retries_hide_nothing(mesh, ingress):
    """With `attempts: 0` the instance's failures are answers, each after one attempt, and no others are."""
    mesh.apply("test_retries.yaml")
    failing = mesh.workload("echo-v1").instance(0).fails(503)
    sample = ingress.measure(get("never"), 30, causes=True)
    assert sample.statuses() == Counter({503: failing.decided, 200: 30 - failing.decided})
    assert failing.decided > 0
    assert {cause.attempts for cause in sample.causes} == {1}


def test_another_instance_is_tried(mesh, ingress):
    """A retry goes to an instance that the request has not met: with two retries it meets each of three once."""
    mesh.apply("test_retries.yaml")
    echo = mesh.workload("echo-v1")
    echo.fails(503)
    with echo.recording() as seen:
        ingress.measure(get("any-error"), 100, causes=True)
    met = Counter((each.header("user-agent"), each.pod) for each in seen.requests)
    assert (len(met), set(met.values())) == (300, {1})


def test_attempts_are_numbered(mesh, ingress):
    """The workload is told which attempt it sees (`x-envoy-attempt-count`)."""
    mesh.apply("test_retries.yaml")
    echo = mesh.workload("echo-v1")
    echo.fails(503)
    with echo.recording() as seen:
        ingress.get("http://echo.example.com/any-error/1")
    assert [each.header("x-envoy-attempt-count") for each in seen.requests] == ["1", "2", "3"]


def test_a_fault_is_not_retried(mesh, ingress):
    """A fault that the proxy itself injects is not retried: it comes before the retries."""
    mesh.apply("test_retries.yaml")
    ingress.expect(get("fault"), answered(503, flags="FI", details="fault_filter_abort", within=WITHIN))


def test_only_these_paths_are_routed(mesh, ingress):
    """A path that no rule names, and that echo would answer, is not found."""
    mesh.apply("test_retries.yaml")
    assert ingress.get("http://echo.example.com/").status_code == 404


@pytest.mark.parametrize(("path", "status", "times"), CASES)
def test_controls(mesh, ingress, path, status, times):
    """One retry more or less is called VIOLATED."""
    mesh.apply("test_retries.yaml")
    mesh.workload("echo-v1").fails(status)
    ingress.control(get(path), retried(times, status=status, within=WITHIN))
