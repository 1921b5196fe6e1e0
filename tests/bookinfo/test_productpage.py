"""productpage: its page, login and API, and its deliberate bug."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.bookinfo import session
from meshtest.traffic.attribution import by_podname
from tests.bookinfo.workloads import Workloads, instance
from tests.traffic.scripted_server import Peer, Script, ScriptedServer

Run = Callable[..., Workloads]
Serve = Callable[[Script], ScriptedServer]


@pytest.fixture
def front(run: Run) -> Workloads:
    """productpage with echoes behind it, so that its calls can be read."""
    behind = run(*(instance(name, "echo") for name in ("details", "reviews", "ratings")))
    upstreams = {f"{name}:9080": behind.address(name) for name in ("details", "reviews", "ratings")}
    return run(instance("productpage-v1", "productpage", upstreams=upstreams))


def login(mesh: Workloads, user: str, **options: Any) -> httpx.Response:
    return mesh.client.post(mesh.url("productpage-v1", "/login"), data={"username": user, "passwd": "x"}, **options)


def test_the_page(bookinfo: Workloads) -> None:
    """Title, details, reviews with red stars, and who served them."""
    page = bookinfo.get("productpage-v1", "/productpage?u=normal")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for text in (
        "Simple Bookstore App",
        "The Comedy of Errors",
        "Book Details",
        "Book Reviews",
        "1234567890",
        "PublisherA",
    ):
        assert text in page.text
    assert page.text.count("text-red-500") == 2
    assert "text-black-500" not in page.text
    assert page.text.count("Reviews served by: reviews-v3-6b5c7d8f9-x7k2p") == 2
    assert page.text.count("★") == 9
    assert page.text.count("☆") == 1
    assert "Error fetching" not in page.text
    assert "on cluster" not in page.text
    assert by_podname()(200, [], page.content) == "v3"


def test_the_page_when_everything_fails(run: Run) -> None:
    """The page is 200 all the same, with the original's words."""
    page = run(instance("productpage-v1", "productpage")).get("productpage-v1", "/productpage")
    assert page.status_code == 200
    for part in ("details", "reviews"):
        assert f"Error fetching product {part}" in page.text
        assert f"Sorry, product {part} are currently unavailable for this book." in page.text
    assert by_podname()(200, [], page.content) is None


def test_the_page_without_ratings(run: Run, bookinfo: Workloads) -> None:
    """Reviews without stars show the apology in red."""
    reviews = run(instance("reviews-v2", "reviews", "v2"))
    mesh = run(instance("productpage-v1", "productpage", upstreams={"reviews:9080": reviews.address("reviews-v2")}))
    page = mesh.get("productpage-v1", "/productpage").text
    assert page.count('<p class="text-red-500">Ratings service is currently unavailable</p>') == 2
    assert "★" not in page


def test_what_services_say_is_escaped(run: Run, serve: Serve) -> None:
    """An answer cannot put markup into the page."""
    review = {"reviewer": "<b>", "text": "&", "rating": {"stars": 2, "color": '">'}}
    body = json.dumps({"podname": "<script>", "clustername": "<c>", "reviews": [review]}).encode()

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    mesh = run(instance("productpage-v1", "productpage", upstreams={"reviews:9080": serve(script).address}))
    page = mesh.get("productpage-v1", "/productpage").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "on cluster <div>&lt;c&gt;</div>" in page


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 200, "Hello! This is a simple bookstore application"),
        ("/index.html", 200, 'href="/productpage?u=normal"'),
        ("/health", 200, "Product page is healthy"),
        ("/nowhere", 404, "Not Found"),
        ("/api/v1/products/0/other", 404, "Not Found"),
        ("/login", 405, "Method Not Allowed"),
    ],
)
def test_other_pages(bookinfo: Workloads, path: str, status: int, text: str) -> None:
    """Entry page, health check, and the answers to what is not there."""
    page = bookinfo.get("productpage-v1", path)
    assert page.status_code == status
    assert text in page.text


def test_methods(bookinfo: Workloads) -> None:
    """As Flask does: no POST on pages, HEAD without a body, OPTIONS with the methods."""
    url = bookinfo.url("productpage-v1", "/productpage")
    assert bookinfo.client.post(url).status_code == 405
    assert (bookinfo.client.head(url).status_code, bookinfo.client.head(url).content) == (200, b"")
    assert bookinfo.client.options(url).headers["allow"] == "GET, HEAD, OPTIONS"


def test_the_api(bookinfo: Workloads) -> None:
    """The API relays what the services say."""
    products = bookinfo.get("productpage-v1", "/api/v1/products").json()
    assert [product["title"] for product in products] == ["The Comedy of Errors"]
    assert bookinfo.get("productpage-v1", "/api/v1/products/0").json()["author"] == "William Shakespeare"
    reviews = bookinfo.get("productpage-v1", "/api/v1/products/0/reviews").json()
    assert reviews == bookinfo.get("reviews-v3", "/reviews/0").json()
    assert bookinfo.get("productpage-v1", "/api/v1/products/0/ratings").json()["ratings"] == {
        "Reviewer1": 5,
        "Reviewer2": 4,
    }


@pytest.mark.parametrize(
    ("part", "calls"), [("", {"details": 1}), ("/reviews", {"reviews": 2}), ("/ratings", {"ratings": 1})]
)
@pytest.mark.parametrize(
    ("answer", "status"), [(b"HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 503), (b"", 500)]
)
def test_failures_are_relayed_and_reviews_tried_twice(
    run: Run, serve: Serve, part: str, calls: dict[str, int], answer: bytes, status: int
) -> None:
    """The API answers with the service's status, or 500 without one; reviews alone is called twice (the deliberate bug)."""
    seen: Counter[str] = Counter()

    def script(peer: Peer) -> None:
        if (asked := peer.read_request()) is not None:
            seen[asked.split(b" ")[1].split(b"/")[1].decode()] += 1
            peer.send(answer)

    address = serve(script).address
    mesh = run(
        instance(
            "productpage-v1",
            "productpage",
            upstreams={f"{name}:9080": address for name in ("details", "reviews", "ratings")},
        )
    )
    reply = mesh.get("productpage-v1", f"/api/v1/products/0{part}")
    name = part.strip("/") or "details"
    assert (reply.status_code, reply.json()) == (
        status,
        {"error": f"Sorry, product {name} are currently unavailable for this book."},
    )
    assert seen == calls


def test_the_second_try_can_succeed(run: Run, serve: Serve) -> None:
    """One failure of reviews is hidden: that is why splits and faults are measured at reviews itself."""

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" if peer.number else b"HTTP/1.1 500 No\r\n\r\n")

    mesh = run(instance("productpage-v1", "productpage", upstreams={"reviews:9080": serve(script).address}))
    assert mesh.get("productpage-v1", "/api/v1/products/0/reviews").status_code == 200


def test_headers_are_handed_on(front: Workloads) -> None:
    """Trace and session headers are handed on; end-user is not, nor are others; the Host is the service's."""
    handed_on = {
        "x-request-id": "1",
        "x-b3-traceid": "2",
        "x-b3-spanid": "3",
        "x-b3-sampled": "4",
        "b3": "5",
        "sw8": "6",
        "traceparent": "7",
        "tracestate": "8",
        "user-agent": "a",
        "cookie": "b=c",
        "authorization": "d",
        "jwt": "e",
    }
    asked = front.get(
        "productpage-v1", "/api/v1/products/9/ratings", headers={**handed_on, "end-user": "x", "x-other": "y"}
    ).json()
    assert (asked["path"], asked["host"]) == ("/ratings/9", "ratings:9080")
    assert handed_on.items() <= asked["headers"].items()
    assert {"end-user", "x-other"}.isdisjoint(asked["headers"])


def test_end_user_comes_from_the_session(front: Workloads) -> None:
    """After the login the calls carry the user, after the logout no longer."""
    answer = login(front, "jason", headers={"referer": "/productpage?u=test"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/productpage?u=test")
    assert "httponly" in answer.headers["set-cookie"].lower()
    asked = front.get("productpage-v1", "/api/v1/products/0/reviews").json()
    assert asked["headers"]["end-user"] == "jason"
    assert "session=" in asked["headers"]["cookie"]
    page = front.get("productpage-v1", "/productpage").text
    assert "<p>jason</p>" in page
    assert "Sign out" in page
    assert front.get("productpage-v1", "/logout").status_code == 302
    assert "end-user" not in front.get("productpage-v1", "/api/v1/products/0/reviews").json()["headers"]
    assert "Sign in" in front.get("productpage-v1", "/productpage").text


def test_a_login_without_referrer_leads_to_the_page(front: Workloads) -> None:
    """A login by curl lands on the page, with its session."""
    answer = login(front, "jason")
    assert (answer.status_code, answer.headers["location"]) == (302, "/productpage")
    assert front.client.cookies["session"]


def test_a_session_holds_at_every_pod(run: Run) -> None:
    """Two pods of productpage accept each other's sessions."""
    echo = run(instance("details", "echo"))
    pods = [
        instance(name, "productpage", upstreams={"details:9080": echo.address("details")})
        for name in ("productpage-v1", "second")
    ]
    mesh = run(*pods)
    login(mesh, "jason")
    assert mesh.get("second", "/api/v1/products/0").json()["headers"]["end-user"] == "jason"


@pytest.mark.parametrize("user", ["a b", "a;b=c", 'q"', "a.b", "<i>", "=", "x" * 300])
def test_odd_names_survive(front: Workloads, user: str) -> None:
    """Any printable name makes the round trip through the cookie."""
    login(front, user)
    assert front.get("productpage-v1", "/api/v1/products/0").json()["headers"]["end-user"] == user


@pytest.mark.parametrize("user", ["", "a\r\nx-injected: 1", "\0", "jäson"])
def test_a_name_that_is_no_header_value_is_not_sent(front: Workloads, user: str) -> None:
    """A name cannot smuggle headers into the calls."""
    login(front, user)
    headers = front.get("productpage-v1", "/api/v1/products/0").json()["headers"]
    assert {"end-user", "x-injected"}.isdisjoint(headers)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_a_session_names_its_user(user: str) -> None:
    """What was issued is read back, and any change of it is worth nothing."""
    cookie = session.issue(user).partition(";")[0]
    assert session.user_of(f"a=b; {cookie}; c=d") == user
    assert re.fullmatch(r"session=[A-Za-z0-9_-]*\.[0-9a-f]{64}", cookie)
    name, _, signature = cookie.partition(".")
    assert session.user_of(f"{name}A.{signature}") == ""
    assert session.user_of(f"{name}.{'0' * 64}") == ""
    assert session.user_of(name) == session.user_of(None) == session.user_of("session=") == ""


def test_a_flood_factor_multiplies_the_calls(run: Run, serve: Serve) -> None:
    """FLOOD_FACTOR calls reviews that many times more for each page, as the rate limiting task needs."""
    seen: Counter[bytes] = Counter()

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            seen[asked.split(b" ")[1]] += 1
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    env = {"FLOOD_FACTOR": "5"}
    mesh = run(instance("productpage-v1", "productpage", env=env, upstreams={"reviews:9080": serve(script).address}))
    mesh.get("productpage-v1", "/productpage")
    assert seen == {b"/reviews/0": 6}
