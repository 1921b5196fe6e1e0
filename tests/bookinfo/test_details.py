"""details and echo: what they answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.bookinfo.echo import Echo
from meshtest.bookinfo.message import Request
from meshtest.bookinfo.plan import Instance
from meshtest.traffic.attribution import by_podname
from tests.bookinfo.workloads import Workloads, instance

BOOK = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}
NOT_NUMERIC = {"error": "please provide numeric product id"}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/details/0", 200, {"id": 0, **BOOK}),
        ("/details/42", 200, {"id": 42, **BOOK}),
        ("/details/a/7", 200, {"id": 7, **BOOK}),
        ("/details/abc", 400, NOT_NUMERIC),
        ("/details", 400, NOT_NUMERIC),
        ("/health", 200, {"status": "Details is healthy"}),
    ],
)
def test_details(bookinfo: Workloads, path: str, status: int, body: dict[str, object]) -> None:
    """The book, the health check, and the refusal of an id that is no number."""
    answer = bookinfo.get("details-v1", path)
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize("path", ["/", "/detailsx", "/healthy"])
def test_details_knows_no_other_path(bookinfo: Workloads, path: str) -> None:
    """Other paths are a 404 page."""
    answer = bookinfo.get("details-v1", path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_echo(run: type[Workloads]) -> None:
    """An echo says who it is and what it was asked, by any method."""
    mesh = run(instance("httpbin-v9", "echo", "v9", namespace="other"))
    asked: dict[str, Any] = mesh.client.patch(
        mesh.url("httpbin-v9", "/a/b?c=d"), headers=[("x", "1"), ("X", "2"), ("host", "h:1")], content=b"\xffyes"
    ).json()
    assert asked["podname"] == "httpbin-v9-6b5c7d8f9-x7k2p"
    assert (asked["workload"], asked["version"], asked["namespace"]) == ("httpbin-v9", "v9", "other")
    assert (asked["method"], asked["path"], asked["host"], asked["body"]) == ("PATCH", "/a/b?c=d", "h:1", "\ufffdyes")
    assert asked["headers"]["x"] == "1, 2"


def test_external(run: type[Workloads]) -> None:
    """A host outside the mesh echoes under its own name."""
    mesh = run({"name": "httpbin.org", "kind": "external", "listen": [["127.0.0.1", 0]]})
    host, port = mesh.started["listening"][0]["address"]
    assert mesh.client.get(f"http://{host}:{port}/").json()["podname"] == "httpbin.org"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.binary(), st.lists(st.tuples(st.text(), st.text())))
def test_an_echo_is_always_attributed_to_itself(target: str, body: bytes, headers: list[tuple[str, str]]) -> None:
    """Whatever is sent, the version read from the answer is the echo's own."""
    pod = Instance("a-v3-6b5c7d8f9-x7k2p", "echo", (), version="v3")
    answer = Echo(pod).answer(Request("GET", target, headers, body))
    assert by_podname()(200, [], answer.body) == "v3"
