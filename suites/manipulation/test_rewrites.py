"""Paths and hosts that rules rewrite, redirects, and answers that the proxy gives by itself."""

import pytest

from meshtest import GET, answered, received

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED)]

OLD = "http://rewrite.example.com"
MOVED = "http://redirect.example.com"
DIRECT = "http://direct.example.com"
CLOSED = answered(
    503, body="closed for today", headers={"retry-after": "3600"}, flags="", details="direct_response", within=20
)


def test_prefix(mesh, ingress):
    """`rewrite.uri` replaces the prefix that was matched; the rest of the path and the query stay."""
    mesh.apply("test_rewrites.yaml")
    ingress.expect(GET(f"{OLD}/old/a/b?c=d"), received(path="/new/a/b?c=d", host="rewrite.example.com", within=20))


def test_exact(mesh, ingress):
    """`rewrite.uri` replaces a path that was matched exactly."""
    mesh.apply("test_rewrites.yaml")
    ingress.expect(GET(f"{OLD}/exact?c=d"), received(path="/whole/other?c=d", within=20))
    ingress.expect(GET(f"{OLD}/exact/more"), answered(404, within=20))


def test_regular_expression(mesh, ingress):
    """`uriRegexRewrite` puts parts of the path elsewhere; a path that it does not match stays as it is."""
    mesh.apply("test_rewrites.yaml")
    ingress.expect(GET(f"{OLD}/team/oak/item/42?c=d"), received(path="/item/42/of/oak?c=d", within=20))
    ingress.expect(GET(f"{OLD}/team/oak/"), received(path="/team/oak/", within=20))


def test_authority(mesh, ingress):
    """`rewrite.authority` is the host that the workload sees; it does not change where the request goes."""
    mesh.apply("test_rewrites.yaml")
    ingress.expect(GET(f"{OLD}/host/a"), received(path="/host/a", host="shelf.internal", within=20))
    ingress.expect(GET(f"{OLD}/both/a"), received(path="/a", host="shelf.internal", within=20))


def test_redirects(mesh, ingress):
    """A redirect replaces those parts of the URL that it names, and keeps the others, also the query; 301 is the default."""
    mesh.apply("test_rewrites.yaml")
    for path, status, location in (
        ("/uri/a?c=d", 301, "http://redirect.example.com/moved?c=d"),
        ("/authority/a?c=d", 308, "http://new.example.com/authority/a?c=d"),
        ("/scheme/a", 302, "https://redirect.example.com/scheme/a"),
        ("/port/a", 307, "http://redirect.example.com:8443/port/a"),
        ("/all/a", 303, "https://new.example.com/moved"),
    ):
        ingress.expect(GET(f"{MOVED}{path}"), answered(status, headers={"location": location}, within=20))
    ingress.expect(GET(f"{MOVED}/other/a"), answered(404, within=20))


def test_direct_responses(mesh, ingress):
    """`directResponse` answers in place of a workload, with a body or without one, and can have headers."""
    mesh.apply("test_rewrites.yaml")
    ingress.expect(GET(f"{DIRECT}/closed"), CLOSED)
    assert ingress.get(f"{DIRECT}/closed").text == "closed for today"
    ingress.expect(GET(f"{DIRECT}/empty"), answered(204, details="direct_response", within=20))
    ingress.expect(GET(f"{DIRECT}/closed/more"), answered(404, within=20))
    ingress.expect(GET(f"{DIRECT}/empty/more"), answered(404, within=20))


def test_controls(mesh, ingress):
    """Other paths and hosts, other places to go to, and other answers are noticed."""
    mesh.apply("test_rewrites.yaml")
    ingress.control(GET(f"{OLD}/both/a"), received(path="/a", host="shelf.internal", within=20))
    ingress.control(GET(f"{MOVED}/uri"), answered(301, headers={"location": f"{MOVED}/moved"}, within=20))
    ingress.control(GET(f"{DIRECT}/closed"), CLOSED)
