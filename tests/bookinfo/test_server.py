"""The workloads' HTTP: framing, order, limits, and what is refused."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bookinfo.workloads import Workloads, instance
from tests.traffic.scripted_server import Peer, ScriptedServer

NAME = "echo-v1"
POST = b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def echo() -> Iterator[Workloads]:
    mesh = Workloads(instance(NAME, "echo"))
    try:
        yield mesh
    finally:
        assert mesh.close() == 0


class Answers:
    """The answers in a stream of bytes, until the peer closes."""

    def __init__(self, stream: bytes) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(stream)

    def on_message_begin(self) -> None:
        self.bodies.append(b"")
        self.headers.append({})

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[-1][name] = value

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] += body

    def on_message_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())

    @property
    def json(self) -> list[dict[str, object]]:
        return [json.loads(body) for body in self.bodies]


def exchange(mesh: Workloads, *pieces: bytes) -> Answers:
    """Sends pieces over one connection, then reads until the workload closes it."""
    with socket.create_connection(mesh.address(NAME), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):  # it may refuse a large request before all is sent
            for piece in pieces:
                client.sendall(piece)
        return read_to_end(client)


def read_to_end(client: socket.socket) -> Answers:
    stream = b""
    with contextlib.suppress(ConnectionResetError):  # it closed with bytes of ours unread
        while data := client.recv(65536):
            stream += data
    return Answers(stream)


def get(path: str, more: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nhost: h\r\n%b\r\n" % (path.encode(), more)


CLOSE = b"connection: close\r\n"


def test_keep_alive_then_close(echo: Workloads) -> None:
    """A connection carries requests until one asks for its end, which the answer confirms."""
    answers = exchange(echo, get("/1"), get("/2"), get("/3", CLOSE))
    assert [answer["path"] for answer in answers.json] == ["/1", "/2", "/3"]
    assert [headers.get(b"connection") for headers in answers.headers] == [None, None, b"close"]


def test_http_1_0_closes(echo: Workloads) -> None:
    """An HTTP/1.0 client needs no Host and gets the end of the connection."""
    assert exchange(echo, b"GET / HTTP/1.0\r\n\r\n").statuses == [200]


def test_pipelined_requests_are_answered_in_order(echo: Workloads) -> None:
    """Many requests in one piece get as many answers, in order."""
    requests = [get(f"/{number}") for number in range(100)] + [get("/last", CLOSE)]
    answers = exchange(echo, b"".join(requests))
    assert [answer["path"] for answer in answers.json] == [f"/{number}" for number in range(100)] + ["/last"]


def test_pipelined_requests_wait_for_slow_ones() -> None:
    """A request behind one that waits for its upstream is answered after it."""

    def slow(peer: Peer) -> None:
        while peer.read_request() is not None:
            released.wait(30)
            peer.send(b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"ratings": {}}')

    released = threading.Event()
    ratings = ScriptedServer(slow)
    mesh = Workloads(instance(NAME, "reviews", "v2", upstreams={"ratings:9080": ratings.address}))
    try:
        threading.Timer(0.05, released.set).start()
        requests = [get("/reviews/1"), get("/health")] * 20 + [get("/reviews/2", CLOSE)]
        answers = exchange(mesh, b"".join(requests))
    finally:
        assert mesh.close() == 0
        ratings.close()
    assert [answer.get("id") for answer in answers.json] == ["1", None] * 20 + ["2"]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.sets(st.integers(1, len(POST) - 1), max_size=8))
def test_a_request_reads_the_same_however_cut(echo: Workloads, cuts: set[int]) -> None:
    """Wherever the network cuts a request, with a chunked body here, it is the same request."""
    bounds = sorted(cuts)
    pieces = [POST[a:b] for a, b in zip([0, *bounds], [*bounds, len(POST)], strict=True)]
    answer = exchange(echo, *pieces, get("/", CLOSE)).json[0]
    assert (answer["method"], answer["path"], answer["body"]) == ("POST", "/a?b=c", "abcde")
    assert answer["headers"] == {"host": "h", "x": "y", "transfer-encoding": "chunked"}


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_large_bodies_on_one_connection(echo: Workloads, size: int) -> None:
    """A body beyond the limit of heads is taken, and the connection goes on."""
    for _ in range(2):
        assert len(echo.client.post(echo.url(NAME), content=b"x" * size).json()["body"]) == size


def test_a_body_that_comes_with_its_head_is_no_part_of_it(echo: Workloads) -> None:
    """A request read in one piece, larger than a head may be, is no excess of headers."""
    post = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 120000\r\n\r\n" + b"x" * 120_000
    for _ in range(20):
        assert exchange(echo, post, get("/", CLOSE)).statuses == [200, 200]


def test_head_has_the_headers_and_no_body(echo: Workloads) -> None:
    """HEAD announces the length of GET's body without sending it."""
    answer = echo.client.head(echo.url(NAME))
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_expect_100_continue(echo: Workloads) -> None:
    """A client that waits for leave to send its body gets it."""
    with socket.create_connection(echo.address(NAME), timeout=30) as client:
        client.sendall(
            b"PUT / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"
        )
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ab")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_upgrade_is_not_followed(echo: Workloads) -> None:
    """A request for another protocol is answered as it stands, and the connection ends."""
    answers = exchange(echo, get("/ws", b"connection: upgrade\r\nupgrade: websocket\r\n") + b"\x81\x00")
    assert answers.statuses == [200]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: h\r\nbad header\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 15_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: h\r\na: " + b"b" * 70_000, 431),
        (b"GET /" + b"b" * 70_000, 431),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9000000\r\n\r\n" + bytes(8_400_000), 413),
    ],
    ids=["nonsense", "no host", "bad header", "framings", "length", "chunk", "headers", "header", "target", "body"],
)
def test_what_is_refused(echo: Workloads, request_: bytes, status: int) -> None:
    """Malformed or excessive requests get their status and the end of the connection; others are still served."""
    assert exchange(echo, request_).statuses == [status]
    with socket.create_connection(echo.address(NAME), timeout=30) as client:
        client.sendall(get("/1"))
        first = client.recv(65536)
        with contextlib.suppress(ConnectionError):
            client.sendall(request_)
        assert Answers(first).statuses + read_to_end(client).statuses == [200, status]
    assert echo.get(NAME, "/").status_code == 200


def test_a_client_that_leaves_harms_nobody(echo: Workloads) -> None:
    """Connections cut at any point of a request leave the workload well."""
    for length in range(0, len(POST), 7):
        with socket.create_connection(echo.address(NAME)) as client:
            client.sendall(POST[:length])
    assert echo.get(NAME, "/").status_code == 200


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_arbitrary_bytes_do_no_harm(echo: Workloads, data: bytes) -> None:
    """Whatever arrives, the workload goes on serving."""
    with socket.create_connection(echo.address(NAME)) as client:
        client.sendall(data)
    assert echo.get(NAME, "/").status_code == 200
