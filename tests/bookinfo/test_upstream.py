"""The workloads' client: names, pooled connections, and what counts as no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from meshtest.bookinfo.upstream import Answer, UpstreamError, Upstreams
from tests.traffic.scripted_server import Peer, Script, ScriptedServer

Serve = Callable[[Script], ScriptedServer]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def using(server: ScriptedServer, use: Callable[[Upstreams], Awaitable[None]]) -> None:
    """Runs something with a client whose service ``a:1`` is the server."""

    async def whole() -> None:
        upstreams = Upstreams({"a:1": server.address}, "default")
        try:
            await use(upstreams)
        finally:
            upstreams.close()
            await asyncio.sleep(0)  # lets the transports close

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("known", "asked", "found"),
    [
        ("reviews:9080", "reviews:9080", True),
        ("reviews:9080", "reviews.shop:9080", True),
        ("reviews:9080", "reviews.shop.svc.cluster.local:9080", True),
        ("reviews.shop.svc.cluster.local:9080", "reviews:9080", True),
        ("reviews:9080", "REVIEWS.shop.svc:9080", True),
        ("reviews:9080", "reviews.other:9080", False),
        ("reviews:9080", "reviews:9081", False),
        ("reviews.other:9080", "reviews.other.svc.cluster.local:9080", True),
        ("httpbin.org:80", "httpbin.org:80", True),
        ("www.example.com:80", "example.com:80", False),
    ],
)
def test_names_resolve_as_in_a_pod(known: str, asked: str, found: bool) -> None:
    """Short, qualified and full names of a Service are one, as the search domains of a pod make them."""
    upstreams = Upstreams({known: ("127.0.0.1", 1)}, "shop")
    if found:
        assert upstreams.resolve(asked) == ("127.0.0.1", 1)
    else:
        with pytest.raises(UpstreamError, match="no upstream"):
            upstreams.resolve(asked)


def test_a_connection_is_used_again(serve: Serve) -> None:
    """Calls one after the other share a connection."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.send(OK)

    server = serve(script)

    async def use(upstreams: Upstreams) -> None:
        for _ in range(10):
            assert await upstreams.get("a:1", "/", [], 30) == Answer(200, b"ok")

    using(server, use)
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"content", b"connection: close\r\ncontent"),
        OK,
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nunsolicited",
    ],
    ids=["announced", "closed", "until closed", "HTTP/1.0", "unsolicited"],
)
def test_a_connection_that_ended_is_not_used_again(serve: Serve, answer: bytes) -> None:
    """However a connection ended while idle, the next call opens another and succeeds."""

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.send(answer)

    server = serve(script)

    async def use(upstreams: Upstreams) -> None:
        for _ in range(5):
            assert await upstreams.get("a:1", "/", [], 30) == Answer(200, b"ok")
            server.join_peers()  # blocks the loop: it has not yet seen the end of the connection

    using(server, use)
    assert len(server.peers) == 5


@pytest.mark.parametrize(
    "answer", [b"", OK[:-1], b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"]
)
def test_no_whole_answer_is_an_error_and_not_retried(serve: Serve, answer: bytes) -> None:
    """A broken exchange fails once, whatever was received of it."""

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.send(answer)

    server = serve(script)

    async def use(upstreams: Upstreams) -> None:
        with pytest.raises(UpstreamError):
            await upstreams.get("a:1", "/", [], 30)

    using(server, use)
    assert len(server.peers) == 1


def test_a_timeout_closes_the_connection(serve: Serve) -> None:
    """A late answer is never taken for the next one."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            if peer.number:
                peer.send(OK)

    server = serve(script)

    async def use(upstreams: Upstreams) -> None:
        with pytest.raises(TimeoutError):
            await upstreams.get("a:1", "/", [], 0.05)
        assert (await upstreams.get("a:1", "/", [], 30)).status == 200

    using(server, use)
    assert server.peers[0].ended.wait(30)


def test_a_refused_connection_is_an_error(serve: Serve) -> None:
    """Nobody listens."""
    server = ScriptedServer(lambda peer: None)
    server.close()

    async def use(upstreams: Upstreams) -> None:
        with pytest.raises(UpstreamError):
            await upstreams.get("a:1", "/", [], 30)

    using(server, use)


def test_concurrent_calls_have_connections_of_their_own(serve: Serve) -> None:
    """Calls at the same time do not wait for each other, and their answers are not mixed up."""

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            path = asked.split(b" ")[1]
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(path), path))

    async def use(upstreams: Upstreams) -> None:
        for _ in range(3):
            answers = await asyncio.gather(*(upstreams.get("a:1", f"/{n}", [], 30) for n in range(20)))
            assert [answer.body for answer in answers] == [b"/%d" % n for n in range(20)]

    server = serve(script)
    using(server, use)
    assert len(server.peers) == 20
