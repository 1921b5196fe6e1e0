"""Istio's default retries: a connection that is refused is tried again, elsewhere if there is an elsewhere."""

import pytest

from meshtest import GET, answered, retried

pytestmark = pytest.mark.mesh_workloads("../town.yaml")

HALF = GET("http://echo.example.com/half/1")
GONE = GET("http://echo.example.com/gone/1")
NEVER = GET("http://echo.example.com/never/1")

HIDDEN = answered(200, flags="", within=10)
TWICE = retried(2, status=503, within=20)


def test_a_refused_connection_is_retried_elsewhere(mesh, ingress):
    """A request whose connection is refused is sent to another endpoint, without anything being configured."""
    mesh.apply("test_refused.yaml")
    ingress.expect(HALF, HIDDEN)
    attempts = {cause.attempts for cause in ingress.measure(HALF, 20, causes=True).causes}
    assert attempts == {1, 2}


def test_default_retries_are_two(mesh, ingress):
    """Where every connection is refused the proxy gives up after two retries: 503 (URX, UF)."""
    mesh.apply("test_refused.yaml")
    ingress.expect(GONE, TWICE & answered(503, flags="URX,UF", within=20))


def test_no_retries(mesh, ingress):
    """With `attempts: 0` a refused connection is answered 503 (UF) after one attempt."""
    mesh.apply("test_refused.yaml")
    sample = ingress.measure(NEVER, 20, causes=True)
    assert {
        (status, cause.flags, cause.attempts) for status, cause in zip(sample.status, sample.causes, strict=True)
    } == {
        (200, (), 1),
        (503, ("UF",), 1),
    }


def test_only_these_paths_are_routed(mesh, ingress):
    """A path that no rule names, and that echo would answer, is not found."""
    mesh.apply("test_refused.yaml")
    assert ingress.get("http://echo.example.com/").status_code == 404


@pytest.mark.parametrize(("request_", "expectation"), [(HALF, HIDDEN), (GONE, TWICE)], ids=["half", "gone"])
def test_controls(mesh, ingress, request_, expectation):
    """One retry more or less is called VIOLATED, and so is an answer of another kind."""
    mesh.apply("test_refused.yaml")
    ingress.control(request_, expectation)
