"""Cross-origin requests: what preflights and simple requests are answered, by the origin that asks."""

import pytest

from meshtest import GET, Request, answered, request

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED)]

URL = "http://shelf.example.com/"
SHOP = "https://shop.example.com"
ALLOWED = [SHOP, "https://team.example.org"]
REFUSED = ["https://shop.example.net", "http://shop.example.com", "https://a.b.example.org", f"{SHOP}.example.net"]
ORIGIN, CREDENTIALS = "access-control-allow-origin", "access-control-allow-credentials"
METHODS, HEADERS = "access-control-allow-methods", "access-control-allow-headers"
AGE, EXPOSED = "access-control-max-age", "access-control-expose-headers"


def preflight(origin: str) -> Request:
    return request("OPTIONS", URL, headers={"origin": origin, "access-control-request-method": "PUT"})


def simple(origin: str) -> Request:
    return GET(URL, headers={"origin": origin})


def test_preflights(mesh, ingress):
    """The proxy itself answers the preflight of an allowed origin: methods, headers, credentials, and how long that counts."""
    mesh.apply("test_cors.yaml")
    for origin in ALLOWED:
        said = {ORIGIN: origin, METHODS: "GET,PUT", HEADERS: "x-token", AGE: "600", CREDENTIALS: "true"}
        ingress.expect(preflight(origin), answered(200, headers=said, details="cors_response", within=20))


def test_simple_requests(mesh, ingress):
    """The answer to an allowed origin names it, and the headers that its scripts may read."""
    mesh.apply("test_cors.yaml")
    for origin in ALLOWED:
        said = {ORIGIN: origin, EXPOSED: "x-rate", CREDENTIALS: "true"}
        ingress.expect(simple(origin), answered(200, headers=said, details="via_upstream", within=20))


def test_refused_origins(mesh, ingress):
    """Another origin is not named, so that browsers keep the answer from its scripts; its requests are not turned away."""
    mesh.apply("test_cors.yaml")
    for origin in REFUSED:
        ingress.expect(simple(origin), answered(200, headers={ORIGIN: None, EXPOSED: None}, within=20))
        ingress.expect(preflight(origin), answered(headers={ORIGIN: None, METHODS: None, AGE: None}, within=20))


def test_controls(mesh, ingress):
    """Answers that are others are noticed."""
    mesh.apply("test_cors.yaml")
    ingress.control(simple(SHOP), answered(200, headers={ORIGIN: SHOP}, within=20))
