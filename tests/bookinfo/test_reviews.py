"""reviews: the three versions, their ratings, and what becomes of them when ratings fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from meshtest.bookinfo.message import Request
from meshtest.bookinfo.plan import Instance
from meshtest.bookinfo.reviews import Reviews
from meshtest.bookinfo.upstream import Answer, Upstreams
from tests.bookinfo.workloads import Workloads, instance
from tests.traffic.scripted_server import Peer, Script, ScriptedServer

TEXTS = {
    "Reviewer1": "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!",
    "Reviewer2": "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.",
}
UNAVAILABLE = {"error": "Ratings service is currently unavailable"}


def json_answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def always(answer: bytes) -> Script:
    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.send(answer)

    return script


@pytest.mark.parametrize(
    ("version", "ratings"),
    [
        ("v1", [None, None]),
        ("v2", [{"stars": 5, "color": "black"}, {"stars": 4, "color": "black"}]),
        ("v3", [{"stars": 5, "color": "red"}, {"stars": 4, "color": "red"}]),
    ],
)
def test_each_version_answers_as_the_original(bookinfo: Workloads, version: str, ratings: list[object]) -> None:
    """v1 has no ratings, v2 black stars, v3 red ones; all else is the same."""
    answer = bookinfo.get(f"reviews-{version}", "/reviews/7")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    page = answer.json()
    assert list(page) == ["id", "podname", "clustername", "reviews"]
    assert (page["id"], page["podname"], page["clustername"]) == ("7", f"reviews-{version}-6b5c7d8f9-x7k2p", "null")
    assert {review["reviewer"]: review["text"] for review in page["reviews"]} == TEXTS
    assert [review.get("rating") for review in page["reviews"]] == ratings


def test_health(bookinfo: Workloads) -> None:
    """The health check of the original."""
    assert bookinfo.get("reviews-v2", "/health").json() == {"status": "Reviews is healthy"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/reviews", 404),
        ("GET", "/reviews/", 404),
        ("GET", "/reviews/abc", 404),
        ("GET", "/reviews/0/1", 404),
        ("GET", "/reviews/007?x=y", 200),
        ("HEAD", "/reviews/0", 200),
        ("POST", "/reviews/0", 405),
        ("DELETE", "/health", 405),
    ],
)
def test_other_paths_and_methods(bookinfo: Workloads, method: str, path: str, status: int) -> None:
    """A product is a whole number and is read only."""
    assert bookinfo.client.request(method, bookinfo.url("reviews-v1", path)).status_code == status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (json_answer(b"fault filter abort", b"500 Internal Server Error"), 200),
        (json_answer(b"{}", b"503 Service Unavailable"), 200),
        (b"", 200),
        (b"not HTTP\r\n\r\n", 200),
        (json_answer(b'{"id": 0}'), 200),
        (json_answer(b"no JSON"), 500),
    ],
    ids=["500", "503", "closed", "no HTTP", "no ratings", "no JSON"],
)
def test_without_ratings_the_reviews_say_so(
    run: Callable[..., Workloads], serve: Callable[[Script], ScriptedServer], answer: bytes, status: int
) -> None:
    """When ratings fails, each review carries the original's apology instead of stars; only a lying 200 is an error."""

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.send(answer)

    mesh = run(instance("reviews-v2", "reviews", "v2", upstreams={"ratings:9080": serve(script).address}))
    page = mesh.get("reviews-v2", "/reviews/0")
    assert page.status_code == status
    if status == 200:
        assert [review["rating"] for review in page.json()["reviews"]] == [UNAVAILABLE, UNAVAILABLE]


def test_one_reviewer_without_rating(run: Callable[..., Workloads], serve: Callable[[Script], ScriptedServer]) -> None:
    """A reviewer whom ratings does not know gets the apology, the other one the stars."""
    server = serve(always(json_answer(b'{"id": 0, "ratings": {"Reviewer2": 1}}')))
    mesh = run(instance("reviews-v3", "reviews", "v3", upstreams={"ratings:9080": server.address}))
    ratings = [review["rating"] for review in mesh.get("reviews-v3", "/reviews/0").json()["reviews"]]
    assert ratings == [UNAVAILABLE, {"stars": 1, "color": "red"}]


def test_an_unknown_name_is_a_failure_of_ratings(run: Callable[..., Workloads]) -> None:
    """Without an upstream the name does not resolve, as in a cluster without the Service."""
    page = run(instance("reviews-v2", "reviews", "v2")).get("reviews-v2", "/reviews/0").json()
    assert page["reviews"][0]["rating"] == UNAVAILABLE


def test_a_silent_ratings_is_given_up(run: Callable[..., Workloads], serve: Callable[[Script], ScriptedServer]) -> None:
    """v3 waits 2.5 s for ratings and then answers without them."""

    def silent(peer: Peer) -> None:
        while peer.read_request() is not None:
            pass

    mesh = run(instance("reviews-v3", "reviews", "v3", upstreams={"ratings:9080": serve(silent).address}))
    answer = mesh.get("reviews-v3", "/reviews/0")
    assert answer.elapsed.total_seconds() >= 2.5
    assert answer.json()["reviews"][0]["rating"] == UNAVAILABLE


class Recorder(Upstreams):
    """Answers every call with ratings and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__({}, "default")
        self.asked: list[tuple[str, str, float]] = []

    async def get(self, authority: str, path: str, headers: Iterable[tuple[str, str]], timeout: float) -> Answer:
        self.asked.append((authority, path, timeout))
        return Answer(200, b'{"ratings": {}}')


@pytest.mark.parametrize(
    ("version", "env", "asked"),
    [
        ("v1", {}, []),
        ("v2", {}, [("ratings:9080", "/ratings/0", 10.0)]),
        ("v3", {}, [("ratings:9080", "/ratings/0", 2.5)]),
        ("v1", {"ENABLE_RATINGS": "true"}, [("ratings:9080", "/ratings/0", 10.0)]),
        ("v2", {"ENABLE_RATINGS": "false"}, []),
        ("v2", {"STAR_COLOR": "green"}, [("ratings:9080", "/ratings/0", 2.5)]),
        ("canary", {}, []),
        ("v2", {"RATINGS_HOSTNAME": "r", "SERVICES_DOMAIN": "a.b"}, [("r.a.b:9080", "/ratings/0", 10.0)]),
        ("v2", {"RATINGS_SERVICE_PORT": "80"}, [("ratings:80", "/ratings/0", 10.0)]),
    ],
)
def test_the_environment_decides_on_the_call(version: str, env: dict[str, str], asked: list[Any]) -> None:
    """Whether, where and how patiently ratings is called follows the image's and the container's environment."""
    upstreams = Recorder()
    reviews = Reviews(Instance("reviews-x", "reviews", (), version=version, env=env), upstreams)

    async def ask() -> None:
        answer = reviews.answer(Request("GET", "/reviews/0", [], b""))
        if not hasattr(answer, "status"):
            await answer

    asyncio.run(ask())
    assert upstreams.asked == asked


def test_headers_are_handed_on(run: Callable[..., Workloads], serve: Callable[[Script], ScriptedServer]) -> None:
    """Trace, session and end-user headers reach ratings; others do not, and the Host is the service's."""
    heads = []

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            heads.append(asked.decode().lower())
            peer.send(json_answer(b'{"ratings": {}}'))

    mesh = run(instance("reviews-v2", "reviews", "v2", upstreams={"ratings:9080": serve(script).address}))
    handed_on = {
        "x-request-id": "1",
        "x-b3-traceid": "2",
        "x-b3-sampled": "3",
        "b3": "4",
        "traceparent": "5",
        "tracestate": "6",
        "x-ot-span-context": "7",
        "end-user": "jason",
        "user-agent": "a",
        "cookie": "b=c",
        "authorization": "d",
        "jwt": "e",
        "sw8": "f",
    }
    mesh.get("reviews-v2", "/reviews/3", headers={**handed_on, "x-other": "no"})
    lines = heads[0].split("\r\n")
    assert lines[0] == "get /ratings/3 http/1.1"
    assert "host: ratings:9080" in lines
    assert {f"{name}: {value}" for name, value in handed_on.items()} <= set(lines)
    assert "x-other: no" not in lines
