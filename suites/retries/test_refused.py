"""Istio's default retries: a connection that is refused is tried again, elsewhere if there is an elsewhere."""

from collections.abc import Sequence

import pytest

from meshtest import GET, answered, retried, split

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
    "ServiceEntry/half:ports[0].protocol*": "echo's sidecar takes both versions of HTTP",
    "ServiceEntry/half:endpoints[1].ports*": "echo has no such port either, and refuses all the same",
    "ServiceEntry/gone:ports[0].protocol*": "a connection is refused before anything is spoken on it",
    "ServiceEntry/gone:resolution=DNS_ROUND_ROBIN": "the only address is looked up all the same",
    "ServiceEntry/gone:endpoints[0].ports*": "echo has no such port either, and refuses all the same",
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("refused-connections"),
    pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED),
]

HALF = GET("http://echo.example.com/half/1")
GONE = GET("http://echo.example.com/gone/1")
NEVER = GET("http://echo.example.com/never/1")

HIDDEN = answered(200, body='"workload": "echo-', flags="", within=10)
HALVES = split({"200": 50, "503": 50}, within=20)
TWICE = retried(2, status=503, within=20)


def test_a_refused_connection_is_retried_elsewhere(mesh, ingress):
    """A request whose connection is refused is sent to another endpoint, without anything being configured."""
    mesh.apply("test_refused.yaml")
    ingress.expect(HALF, HIDDEN)
    attempts = {cause.attempts for cause in ingress.measure(HALF, 40, causes=True).causes}
    assert {1, 2} <= attempts <= {1, 2, 3}  # by chance the other endpoint is only found when it is tried once more


def by_status(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str:
    """What the answer is, whoever gave it."""
    return str(status)


def test_default_retries_are_two(mesh, ingress):
    """Where every connection is refused the proxy gives up after two retries: 503 (URX, UF)."""
    mesh.apply("test_refused.yaml")
    ingress.expect(GONE, TWICE & answered(503, flags="URX,UF", within=20))


def test_no_retries(mesh, ingress):
    """With `attempts: 0` a refused connection is answered 503 (UF) after one attempt; where half of the endpoints refuse, half are."""
    mesh.apply("test_refused.yaml")
    sample = ingress.measure(NEVER, 40, causes=True)
    assert {
        (status, cause.flags, cause.attempts) for status, cause in zip(sample.status, sample.causes, strict=True)
    } == {
        (200, (), 1),
        (503, ("UF",), 1),
    }
    # One at a time: who refuses is soon idle, and so gets more of many at once.
    ingress.expect(NEVER, HALVES, attribute=by_status, connections=1)


def test_only_these_paths_are_routed(mesh, ingress):
    """A path that no rule names, and that echo would answer, is not found."""
    mesh.apply("test_refused.yaml")
    assert ingress.get("http://echo.example.com/").status_code == 404


@pytest.mark.parametrize(("request_", "expectation"), [(HALF, HIDDEN), (GONE, TWICE)], ids=["half", "gone"])
def test_controls(mesh, ingress, request_, expectation):
    """One retry more or less is called VIOLATED, and so is an answer of another kind."""
    mesh.apply("test_refused.yaml")
    ingress.control(request_, expectation)
