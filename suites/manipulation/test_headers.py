"""Headers that rules set, add and remove, on requests and on answers, for a whole rule or for one of its destinations."""

import json
from collections.abc import Sequence

import pytest

from meshtest import GET, answered, received, split

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED)]

RULE = "http://rule.example.com/"
DESTINATIONS = "http://destinations.example.com/"
SENT = {"x-set": "mine", "x-add": "mine", "x-secret": "mine", "x-other": "mine"}
ARRIVES = received(headers={"x-set": "mesh", "x-add": "mine, mesh", "x-secret": None, "x-other": "mine"}, within=20)


def test_requests(mesh, ingress):
    """A rule's `request` sets a header whatever it was, adds a value to those there are, and removes a header."""
    mesh.apply("test_headers.yaml")
    ingress.expect(GET(RULE, headers=SENT), ARRIVES)
    ingress.expect(GET(RULE), received(headers={"x-set": "mesh", "x-add": "mesh"}, within=20))


def test_answers(mesh, ingress):
    """A rule's `response` does the same with what the workload answers."""
    mesh.apply("test_headers.yaml")
    changed = {"x-stage": "canary", "x-via": "own, edge", "x-build": None, "x-other": "own"}
    own = {"x-stage": "own", "x-via": "own", "x-build": "own", "x-other": "own"}
    with mesh.workload("echo-v2").fails(200, answer_headers=own):
        ingress.expect(GET(RULE), answered(200, headers=changed, within=20))
    ingress.expect(GET(RULE), answered(200, headers={"x-stage": "canary", "x-via": "edge"}, within=20))


def by_what_was_changed(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str:
    """Which version it was, what it saw, and what came back."""
    said, answer = json.loads(body), dict(headers)
    seen = [said["headers"].get(name, "-") for name in ("x-to", "x-secret")]
    back = [answer.get(name, b"-").decode() for name in (b"x-from", b"content-type")]
    return " ".join([said["version"], *seen, *back])


def test_destinations(mesh, ingress):
    """Each destination of a rule can have manipulations of its own, which leave the requests to the other ones alone."""
    mesh.apply("test_headers.yaml")
    request = GET(DESTINATIONS, headers={"x-to": "mine", "x-secret": "mine"})
    shares = {"v1 v1 - v1 application/json": 50, "v2 mine, v2 mine v2 -": 50}
    ingress.expect(request, split(shares, within=20), attribute=by_what_was_changed)


def test_controls(mesh, ingress):
    """Manipulations that a fifth of the requests does not get are noticed, and answers that are others."""
    mesh.apply("test_headers.yaml")
    ingress.control(GET(RULE, headers=SENT), ARRIVES)
    ingress.control(GET(RULE), answered(200, headers={"x-stage": "canary"}, within=20))
