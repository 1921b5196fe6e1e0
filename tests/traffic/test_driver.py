"""The load driver against real sockets: counts, order, connections, and every way in which an exchange can fail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from meshtest.errors import MeshError
from meshtest.traffic import burst, connection, pool
from meshtest.traffic.attribution import by_header
from meshtest.traffic.driver import Driver
from meshtest.traffic.request import GET, HEAD, POST, request
from tests.traffic.scripted_server import Peer, Script, ScriptedServer

Serve = Callable[[Script], ScriptedServer]


def ok(body: bytes = b"hello", headers: bytes = b"") -> bytes:
    """A 200 with a content length."""
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (headers, len(body), body)


def always(answer: bytes) -> Script:
    """Answers every request with the same bytes."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.send(answer)

    return script


def once(answer: bytes) -> Script:
    """Answers one request and closes."""

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.send(answer)

    return script


def silent(peer: Peer) -> None:
    """Reads for ever and says nothing."""
    while peer.read_request() is not None:
        pass


def sockets_to(address: tuple[str, int]) -> int:
    """How many sockets that somebody holds open are connected, or connecting, to an address."""
    remote = f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2] == remote and row[9] != "0" for row in rows)  # an orphan, closed by all, has inode 0


# Where connections are opened, lent out and closed.
_CARRIERS = {module.__file__ for module in (burst, connection, pool)}


@pytest.mark.parametrize("n", [0, 1, 7, 500])
def test_it_sends_exactly_n(serve: Serve, n: int) -> None:
    """Exactly n requests reach the server, and the sample has a row for each."""
    received = []
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            with lock:
                received.append(asked)
            peer.send(ok())

    with Driver(serve(script).address, connections=4) as driver:
        sample = driver.run(GET("/x"), n)
    assert len(sample) == len(received) == n
    assert sample.statuses() == ({200: n} if n else {})
    assert not sample.errors


def test_rows_are_in_send_order(serve: Serve) -> None:
    """Answers overtake each other on several connections; each row still belongs to its request."""

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            number = asked.partition(b"User-Agent: meshtest/")[2].partition(b"\r\n")[0]
            peer.send(ok(headers=b"x-number: %b\r\n" % number))

    with Driver(
        serve(script).address, connections=8, attribute=by_header("x-number"), user_agent="meshtest/{n}"
    ) as driver:
        sample = driver.run(GET("/"), 300)
        again = driver.run(GET("/"), 3)
    assert sample.version == [str(number) for number in range(300)]
    assert list(sample.started) == sorted(sample.started)
    assert again.version == ["0", "1", "2"]


def test_connections_are_kept_within_and_between_runs(serve: Serve) -> None:
    """No more connections than asked for, and the next run uses the same ones, until they are renewed."""
    server = serve(always(ok()))
    with Driver(server.address, connections=3) as driver:
        driver.run(GET("/"), 50)
        first = len(server.peers)
        driver.run(GET("/"), 50)
        assert 1 <= first <= 3
        assert len(server.peers) <= 3
        before = len(server.peers)
        driver.renew()
        driver.run(GET("/"), 1)
        assert len(server.peers) == before + 1


def test_as_many_exchanges_at_once_as_connections(serve: Serve) -> None:
    """Each connection has a request under way: nobody is answered before all have asked."""
    everybody = threading.Barrier(5)

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            everybody.wait(timeout=30)
            peer.send(ok())

    with Driver(serve(script).address, connections=5) as driver:
        assert driver.run(GET("/"), 20).statuses() == {200: 20}


def test_a_run_can_have_fewer_connections_and_another_agent(serve: Serve) -> None:
    """What a run is given goes before what the driver was given."""
    heads = []

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            heads.append(asked)
            peer.send(ok())

    server = serve(script)
    with Driver(server.address, connections=16) as driver:
        driver.run(GET("/"), 20, connections=1, user_agent="other")
    assert len(server.peers) == 1
    assert all(b"User-Agent: other\r\n" in head for head in heads)


@pytest.mark.parametrize(
    ("target", "given", "headers", "host"),
    [
        ("http://reviews:9080/a", None, {}, "reviews:9080"),
        ("http://reviews:9080/a", "given", {}, "given"),
        ("/a", "given", {}, "given"),
        ("/a", "given", {"host": "own"}, "own"),
        ("/a", None, {}, None),
    ],
)
def test_the_host_header(
    serve: Serve, target: str, given: str | None, headers: dict[str, str], host: str | None
) -> None:
    """The request's own header, else the run's host, else the target's authority, else the address."""
    heads = []

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            heads.append(asked.lower())
            peer.send(ok())

    server = serve(script)
    with Driver(server.address) as driver:
        driver.run(GET(target, headers=headers), 1, host=given)
    wanted = host or "{}:{}".format(*server.address)
    assert heads[0].startswith(b"get /a http/1.1\r\n")
    assert heads[0].count(b"host:") == 1
    assert f"host: {wanted}\r\n".encode() in heads[0]


def test_a_body_arrives_whole(serve: Serve) -> None:
    """A body larger than the socket's buffers is sent piece by piece while the peer reads."""
    body = os.urandom(5 * 2**20)
    received = []

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            received.append(asked.endswith(body))
            peer.send(ok())

    with Driver(serve(script).address) as driver:
        assert driver.run(POST("/", body=body), 2).statuses() == {200: 2}
    assert received == [True, True]


def test_an_answer_before_the_body_is_read_counts(serve: Serve) -> None:
    """A server may refuse a large body and hang up: that is its answer, not a transport error."""

    def script(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        peer.socket.shutdown(socket.SHUT_WR)
        # Reading on keeps the kernel from resetting the connection under the answer; the driver may do so after it.
        with contextlib.suppress(ConnectionError):
            while peer.socket.recv(2**20):
                pass

    with Driver(serve(script).address) as driver:
        sample = driver.run(POST("/", body=bytes(50 * 2**20)), 1)
    assert sample.statuses() == {413: 1}
    assert not sample.errors


def test_head_and_get_alternate_on_one_connection(serve: Serve) -> None:
    """The announced but absent body of an answer to HEAD does not confuse the next answer."""

    def script(peer: Peer) -> None:
        while (asked := peer.read_request()) is not None:
            peer.send(ok() if asked.startswith(b"GET") else b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")

    server = serve(script)
    with Driver(server.address, connections=1) as driver:
        for asked in (HEAD("/"), GET("/"), HEAD("/"), HEAD("/"), GET("/")):
            assert driver.run(asked, 3).statuses() == {200: 3}
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    "answer",
    [
        ok(headers=b"connection: close\r\n"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        ok() + b"junk",
        ok() + ok(),
    ],
    ids=["close", "http/1.0", "until closed", "junk", "two answers"],
)
def test_a_connection_that_ends_is_not_used_again(serve: Serve, answer: bytes) -> None:
    """A connection that is to be closed, is closed, or spoke unasked: the next request opens another."""
    server = serve(once(answer))
    with Driver(server.address, connections=1) as driver:
        sample = driver.run(GET("/"), 5)
    assert sample.statuses() == {200: 5}
    assert not sample.errors
    assert len(server.peers) == 5


def test_an_idle_connection_that_was_closed_is_replaced_before_sending(serve: Serve) -> None:
    """A keep-alive connection that the peer closed between runs causes neither an error nor a second sending."""
    server = serve(once(ok()))
    with Driver(server.address, connections=1) as driver:
        assert driver.run(GET("/"), 1).statuses() == {200: 1}
        server.join_peers()
        assert driver.run(GET("/"), 1).statuses() == {200: 1}
    assert len(server.peers) == 2


def test_a_connection_that_was_closed_after_the_answer_is_not_used_again(serve: Serve) -> None:
    """A peer that closes without a word, before the next request of the same run is sent, causes no error."""
    server = serve(once(ok()))

    def attribute(status: int, headers: object, body: bytes) -> str | None:
        server.join_peers()  # the connection is closed before the driver goes on
        return "v1"

    with Driver(server.address, connections=1, attribute=attribute) as driver:
        sample = driver.run(GET("/"), 5)
    assert sample.counts() == {"v1": 5}
    assert not sample.errors
    assert len(server.peers) == 5


def test_unsolicited_bytes_on_an_idle_connection_are_not_an_answer(serve: Serve) -> None:
    """What a peer sends unasked is never taken for the answer to the next request."""
    sent = threading.Event()

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.send(ok(headers=b"x-v: asked\r\n"))
            if peer.number == 0:
                released.wait(30)
                peer.send(ok(headers=b"x-v: unasked\r\n"))
                sent.set()
            peer.read_request()

    released = threading.Event()
    server = serve(script)
    with Driver(server.address, connections=1, attribute=by_header("x-v")) as driver:
        first = driver.run(GET("/"), 1)
        released.set()
        assert sent.wait(30)
        assert (first.answered, driver.run(GET("/"), 1).answered) == (["asked"], ["asked"])


def reset_at_once(peer: Peer) -> None:
    """Resets instead of answering."""
    peer.read_request()
    peer.reset()


def reset_in_the_middle(peer: Peer) -> None:
    """Resets with half of the answer sent and read."""
    peer.read_request()
    peer.send(ok()[:-2])
    peer.reset()


@pytest.mark.parametrize(
    ("script", "errors"),
    [
        (once(b""), {"read: closed before an answer"}),
        (once(ok()[:-1]), {"read: closed in the middle of an answer"}),
        (once(b"HTTP/1.1 200 OK\r\ncontent-le"), {"read: closed in the middle of an answer"}),
        (
            once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            {"read: closed in the middle of an answer"},
        ),
        (once(b"SSH-2.0-x\r\n"), {"malformed answer: Expected HTTP/, RTSP/ or ICE/"}),
        (once(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000), {"answer head larger than 64 KiB"}),
        (reset_at_once, {"read: reset"}),
        (reset_in_the_middle, {"read: reset"}),
    ],
    ids=["closed", "short body", "short head", "short chunks", "not HTTP", "flood", "reset", "reset in the middle"],
)
def test_a_broken_exchange_is_an_error_and_not_retried(serve: Serve, script: Script, errors: set[str]) -> None:
    """Each failure is one row without status and version; nothing is sent twice; the next request goes on."""
    server = serve(script)
    with Driver(server.address, connections=2) as driver:
        sample = driver.run(GET("/"), 6)
    assert set(sample.errors) == errors
    assert sum(sample.errors.values()) == 6
    assert sample.statuses() == {}
    assert sample.counts() == {}
    assert len(server.peers) == 6


def test_a_refused_connection() -> None:
    """Nobody listens: an error per request, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with Driver(address, connections=4) as driver:
        assert driver.run(GET("/"), 10).errors == {"connect: refused": 10}


def test_a_slow_answer_times_out(serve: Serve) -> None:
    """An exchange ends at its deadline; what comes later is not taken for another answer."""
    server = serve(silent)
    with Driver(server.address, connections=2, timeout=0.05) as driver:
        sample = driver.run(GET("/"), 4)
    assert sample.errors == {"timeout after 0.05 s": 4}
    assert all(latency >= 0.05 for latency in sample.latency)
    assert len(server.peers) == 4


def test_a_trickling_answer_times_out(serve: Serve) -> None:
    """The deadline is of the whole exchange: a byte now and then does not prolong it."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                peer.socket.sendall(b"x")
                time.sleep(0.005)

    with Driver(serve(script).address, timeout=0.1) as driver:
        assert driver.run(GET("/"), 1).errors == {"timeout after 0.1 s": 1}


def test_a_full_backlog_times_out_as_connecting() -> None:
    """A peer that does not accept is told from one that does not answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fill the queue of connections
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        with Driver(listener.getsockname(), timeout=0.1) as driver:
            assert driver.run(GET("/"), 1).errors == {"connect: timeout after 0.1 s": 1}


def test_answers_and_errors_mix(serve: Serve) -> None:
    """An error on one connection leaves the others alone."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            if peer.number % 2:
                return
            peer.send(ok(headers=b"connection: close\r\n"))

    with Driver(serve(script).address, connections=1) as driver:
        sample = driver.run(GET("/"), 10)
    assert sample.statuses() == {200: 5}
    assert sample.errors == {"read: closed before an answer": 5}
    assert list(sample.status) == [200, 0] * 5


def test_a_duration_ends_a_run(serve: Serve) -> None:
    """Requests begin until the time is up, and all are awaited."""
    with Driver(serve(always(ok())).address, connections=2) as driver:
        sample = driver.run(GET("/"), duration=0.2)
        assert len(sample) > 0
        assert not sample.errors
        assert max(sample.started) < 0.2
        assert len(driver.run(GET("/"), 3, duration=60)) == 3


def test_a_rate_spaces_the_requests(serve: Serve) -> None:
    """No request begins before its turn, whatever the number of connections."""
    with Driver(serve(always(ok())).address, connections=4) as driver:
        sample = driver.run(GET("/"), 20, rate=200)
    assert len(sample) == 20
    assert all(started >= number / 200 - 1e-9 for number, started in enumerate(sample.started))


def test_the_source_address_is_used(serve: Serve) -> None:
    """Requests can come from another loopback address, as those of another pod do."""
    server = serve(always(ok()))
    if sys.platform != "linux":
        pytest.skip("127/8 is loopback as a whole on Linux only")
    with Driver(server.address, source="127.0.0.9", connections=2) as driver:
        assert driver.run(GET("/"), 10).statuses() == {200: 10}
        assert {peer.address[0] for peer in server.peers} == {"127.0.0.9"}


def test_an_impossible_source_is_an_error_of_connecting(serve: Serve) -> None:
    """An address that is not ours cannot be sent from."""
    with Driver(serve(always(ok())).address, source="192.0.2.1") as driver:
        assert driver.run(GET("/"), 1).errors == {"connect: cannot assign requested address": 1}


def test_it_runs_beside_a_running_event_loop(serve: Serve) -> None:
    """A test may run in an event loop: the driver neither needs one nor minds."""
    with Driver(serve(always(ok())).address) as driver:

        async def inside() -> int:
            return len(driver.run(GET("/"), 5)) + len(await asyncio.to_thread(driver.run, GET("/"), 5))

        assert asyncio.run(inside()) == 10


@pytest.mark.skipif(sys.platform != "linux", reason="counts sockets in /proc")
def test_an_interruption_leaves_at_once_with_everything_closed(serve: Serve) -> None:
    """Ctrl-C while waiting for answers raises KeyboardInterrupt and leaves no socket open."""
    everybody = threading.Barrier(3, action=lambda: os.kill(os.getpid(), signal.SIGINT))

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            everybody.wait(30)
            peer.read_request()

    server = serve(script)
    with Driver(server.address, connections=3, timeout=60) as driver:
        with pytest.raises(KeyboardInterrupt):
            driver.run(GET("/"), 10)
        assert all(peer.ended.wait(30) for peer in server.peers), "the server sees the end of each connection"


@pytest.mark.skipif(sys.platform != "linux", reason="counts sockets in /proc")
@pytest.mark.parametrize("line", range(1, 1200, 29))
def test_an_interruption_anywhere_closes_everything(serve: Serve, line: int) -> None:
    """Wherever in the driver's code an interruption strikes, no socket stays open and the driver can be used again."""
    server = serve(always(ok(headers=b"connection: close\r\n") if line % 2 else ok()))
    countdown = line

    def tick(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        nonlocal countdown
        countdown -= event == "line"
        if countdown == 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return tick

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        return tick if frame.f_code.co_filename in _CARRIERS else None

    with Driver(server.address, connections=3) as driver:
        sys.settrace(trace)
        try:
            with pytest.raises(KeyboardInterrupt) as interruption:
                driver.run(GET("/"), 1000)
        finally:
            sys.settrace(None)
        assert sockets_to(server.address) == 0, interruption.traceback[-1]
        assert driver.run(GET("/"), 5).statuses() == {200: 5}
        assert line % 2 or sockets_to(server.address) > 0, "the count sees open sockets"


def test_an_attribution_that_raises_closes_everything(serve: Serve) -> None:
    """A mistake in a user's attribution reaches the user, and leaves the driver usable."""
    broken = True

    def attribute(status: int, headers: object, body: bytes) -> str | None:
        if broken:
            raise RuntimeError("mistake")
        return "v1"

    with Driver(serve(always(ok())).address, attribute=attribute, connections=3) as driver:
        with pytest.raises(RuntimeError, match="mistake"):
            driver.run(GET("/"), 5)
        broken = False
        assert driver.run(GET("/"), 5).counts() == {"v1": 5}


def test_a_closed_driver_says_so(serve: Serve) -> None:
    """Closing twice is harmless; running afterwards is refused."""
    driver = Driver(serve(always(ok())).address)
    driver.run(GET("/"), 1)
    driver.close()
    driver.close()
    with pytest.raises(RuntimeError, match="closed"):
        driver.run(GET("/"), 1)


def test_a_driver_is_for_one_thread_at_a_time(serve: Serve) -> None:
    """A second run during the first is refused rather than mixed in."""
    begun, released = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            begun.set()
            released.wait(30)
            peer.send(ok())

    with Driver(serve(script).address) as driver:
        thread = threading.Thread(target=driver.run, args=(GET("/"), 1))
        thread.start()
        assert begun.wait(30)
        with pytest.raises(RuntimeError, match="another thread"):
            driver.run(GET("/"), 1)
        released.set()
        thread.join()


@pytest.mark.parametrize(
    "arguments",
    [
        *({}, {"n": -1}, {"n": 1.5}, {"duration": 0}, {"duration": float("inf")}),
        *({"n": 1, "rate": 0}, {"n": 1, "connections": 0}),
    ],
)
def test_a_run_without_end_or_sense_is_refused(serve: Serve, arguments: dict[str, float]) -> None:
    """How much to send is said, in numbers that make sense."""
    with Driver(("127.0.0.1", 1)) as driver, pytest.raises(ValueError, match=r"\w"):
        driver.run(GET("/"), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [{"connections": 0}, {"timeout": 0}, {"timeout": float("nan")}])
def test_a_driver_without_sense_is_refused(arguments: dict[str, float]) -> None:
    """At least one connection, and a deadline."""
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Driver(("127.0.0.1", 1), **arguments)  # type: ignore[arg-type]


def test_an_unknown_host_is_the_surroundings_fault() -> None:
    """A name without an address is a MeshError that names it."""
    with pytest.raises(MeshError, match=r"no IP address for 'name\.invalid'"):
        Driver(("name.invalid", 80))


def test_any_method_can_be_sent(serve: Serve) -> None:
    """A CORS preflight is a request like any other."""
    with Driver(serve(always(b"HTTP/1.1 204 No Content\r\n\r\n")).address) as driver:
        assert driver.run(request("OPTIONS", "/", headers={"origin": "http://a"}), 3).statuses() == {204: 3}
