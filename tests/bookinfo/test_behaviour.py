"""Behaviour on demand, against real HTTP: what instances then do with requests, and what they say of it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.bookinfo.behaviour import KINDS, WHENS, Behaviour, Counters, read_behaviour
from meshtest.bookinfo.conduct import Conduct
from tests.bookinfo.workloads import Workloads, instance

Run = Callable[..., Workloads]
POD = "echo-v1-6b5c7d8f9-x7k2p"
DEADLINE = 30.0


class Echo:
    """An echo, and commands about it."""

    def __init__(self, workloads: Workloads) -> None:
        self.workloads = workloads
        self._numbers = 0

    def behave(self, kind: str, **fields: Any) -> int:
        """Gives it a behaviour; the behaviour's number."""
        self._numbers += 1
        behaviour = {"kind": kind, **fields}
        assert self.say("behave", number=self._numbers, behaviour=behaviour) == {}
        return self._numbers

    def say(self, command: str, **members: Any) -> dict[str, Any]:
        return self.workloads.command(command, instances=[POD], **members)

    def get(self, path: str = "/", **options: Any) -> httpx.Response:
        return self.workloads.get("echo-v1", path, **options)

    def statuses(self, count: int, path: str = "/") -> list[int]:
        return [self.get(path).status_code for _ in range(count)]

    def seen(self) -> dict[str, Any]:
        """Its counters."""
        observed: dict[str, Any] = self.say("observe")["observed"][POD]
        return observed

    def until(self, **counters: int) -> None:
        """Waits until the counters are these."""
        deadline = time.monotonic() + DEADLINE
        while (seen := {name: self.seen()[name] for name in counters}) != counters:
            assert time.monotonic() < deadline, seen
            time.sleep(0.002)


@pytest.fixture
def echo(run: Run) -> Echo:
    """An echo."""
    return Echo(run(instance("echo-v1", "echo")))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """For requests that are not answered at once."""
    with ThreadPoolExecutor(32) as pool:
        yield pool


def test_fails(echo: Echo) -> None:
    """The status that is wanted, and who failed."""
    echo.behave("fails", status=503, answer_headers={"retry-after": "3"})
    answer = echo.get()
    assert (answer.status_code, answer.json()["podname"], answer.headers["retry-after"]) == (503, POD, "3")
    assert "fails(status=503" in answer.json()["error"]
    seen = echo.seen()
    assert [seen[name] for name in ("requests", "answered", "changed", "held")] == [1, 0, 1, 0]


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 503, 599])
def test_every_status(echo: Echo, status: int) -> None:
    """A status that has no body has none; the connection stays usable."""
    echo.behave("fails", status=status, count=1)
    with httpx.Client(trust_env=False) as client:
        assert client.get(echo.workloads.url("echo-v1")).status_code == status
        assert client.get(echo.workloads.url("echo-v1")).status_code == 200


def test_grpc(echo: Echo) -> None:
    """A gRPC failure stands in the headers, as an answer without a message."""
    echo.behave("fails", grpc_status=14)
    answer = echo.get()
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["grpc-status"], answer.headers["content-type"]) == ("14", "application/grpc")


def test_after_and_count(echo: Echo) -> None:
    """The first ones pass, then so many fail, then all pass."""
    echo.behave("fails", status=500, after=3, count=2)
    assert echo.statuses(8) == [200, 200, 200, 500, 500, 200, 200, 200]


def test_share(echo: Echo) -> None:
    """A share of 0 or 1 is exact; of another each request is drawn by itself (bounds of Binomial(400, 0.5) at 1e-6)."""
    echo.behave("fails", share=0)
    assert set(echo.statuses(20)) == {200}
    half = echo.behave("fails", share=0.5)
    failed = echo.statuses(400).count(503)
    assert 145 < failed < 255
    assert echo.seen()["behaviours"][str(half)]["decided"] == failed
    echo.behave("fails", status=500)
    assert set(echo.statuses(20)) <= {503, 500}


def test_some_requests_only(echo: Echo) -> None:
    """By the beginning of the path, and by headers, whatever the case of their names."""
    echo.behave("fails", path="/a", headers={"End-User": "jason"})
    jason, other = {"end-user": "jason"}, {"end-user": "jason2"}
    assert echo.get("/a/b?c", headers=jason).status_code == 503
    assert echo.get("/b", headers=jason).status_code == 200
    assert echo.get("/a", headers=other).status_code == 200
    assert echo.get("/a").status_code == 200


def test_the_first_that_applies_decides(echo: Echo) -> None:
    """In the order in which they were given; each counts what it did."""
    first, second = echo.behave("fails", status=500, path="/a"), echo.behave("fails", status=501)
    assert echo.statuses(2, "/a") + echo.statuses(3) == [500, 500, 501, 501, 501]
    assert echo.seen()["behaviours"] == {str(first): {"decided": 2, "held": 0}, str(second): {"decided": 3, "held": 0}}


def test_taken_back(echo: Echo) -> None:
    """One by its number, or all."""
    first = echo.behave("fails", status=500)
    echo.behave("fails", status=501)
    assert echo.say("recover", numbers=[first, 99]) == {"decided": 0}
    assert echo.statuses(1) == [501]
    assert echo.say("recover") == {"decided": 1}
    assert echo.statuses(1) == [200]


def test_slow(echo: Echo, threads: ThreadPoolExecutor) -> None:
    """Late, but answered by the application; taken back, at once."""
    echo.behave("slow", seconds=0.05)
    began = time.monotonic()
    assert echo.get("/x").json()["path"] == "/x"
    assert time.monotonic() - began >= 0.05
    echo.say("recover")
    echo.behave("slow", seconds=3600)
    late = threads.submit(echo.get)
    echo.until(requests=2)
    echo.say("recover")
    assert late.result(DEADLINE).status_code == 200
    assert echo.seen()["answered"] == 2


def asked(echo: Echo, threads: ThreadPoolExecutor, count: int) -> list[Future[httpx.Response]]:
    """Requests of which none is answered yet, one after the other."""
    out = []
    for number in range(count):
        out.append(threads.submit(httpx.get, echo.workloads.url("echo-v1", f"/{number}"), timeout=60, trust_env=False))
        echo.until(held=number + 1)
    return out


def test_holds(echo: Echo, threads: ThreadPoolExecutor) -> None:
    """What is held is counted exactly, and let go in the order of its arrival, some or all; or when the behaviour is taken back."""
    number = echo.behave("holds")
    first, second, *rest = asked(echo, threads, 9)
    assert echo.seen()["behaviours"] == {str(number): {"decided": 9, "held": 9}}
    assert echo.seen()["open"] == 9
    assert echo.say("release", number=number, most=2) == {"released": 2}
    assert [each.result(DEADLINE).json()["path"] for each in (first, second)] == ["/0", "/1"]
    assert not any(each.done() for each in rest)
    assert echo.say("release", number=number) == {"released": 7}
    assert all(each.result(DEADLINE).status_code == 200 for each in rest)
    (last,) = asked(echo, threads, 1)
    echo.say("recover")
    assert last.result(DEADLINE).status_code == 200
    assert echo.seen()["held"] == 0


def test_a_client_that_goes_is_not_held(echo: Echo) -> None:
    """Nobody waits for an answer when the connection is gone."""
    number = echo.behave("stalls")
    with socket.create_connection(echo.workloads.address("echo-v1")) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        echo.until(held=1)
    echo.until(held=0, open=0)
    assert echo.say("release", number=number) == {"released": 0}


def read(echo: Echo, request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> tuple[bytes, bool]:
    """All that comes back on one connection, and whether it ends by a reset."""
    said = b""
    with socket.create_connection(echo.workloads.address("echo-v1"), timeout=DEADLINE) as client:
        client.sendall(request)
        try:
            while data := client.recv(65536):
                said += data
        except ConnectionResetError:
            return said, True
    return said, False


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("when", WHENS)
def test_hangs_up(echo: Echo, when: str, reset: bool) -> None:
    """Before the answer, behind its head, or amid its body; by a reset or in an orderly way."""
    echo.behave("hangs_up", when=when, reset=reset)
    said, by_reset = read(echo)
    assert by_reset is reset
    head, end, body = said.partition(b"\r\n\r\n")
    assert bool(head) is bool(end) is (when != "before")
    assert bool(body) is (when == "body")
    if body:
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


def test_hangs_up_on_a_client(echo: Echo) -> None:
    """An HTTP client sees that the answer is not whole; the next connection works once it is taken back."""
    echo.behave("hangs_up", when="body", count=1)
    with pytest.raises(httpx.ReadError):
        echo.get()
    assert echo.get().status_code == 200


def test_closes(echo: Echo) -> None:
    """Each answer is whole, and the last of its connection."""
    echo.behave("closes")
    said, by_reset = read(echo)
    assert b"connection: close\r\n" in said
    assert said.endswith(b"}")
    assert not by_reset


def test_recording(echo: Echo) -> None:
    """What is asked while somebody records, in order; the last 10,000."""
    echo.get("/before")
    assert echo.say("record", number=1) == {}
    began = time.monotonic()
    echo.get("/a?b", headers={"x-a": "1"})
    echo.workloads.client.post(echo.workloads.url("echo-v1", "/c"))
    (first, second) = echo.say("recorded", number=1, end=True)["recorded"][POD]
    assert (first["method"], first["target"], second["method"], second["target"]) == ("GET", "/a?b", "POST", "/c")
    assert ["x-a", "1"] in first["headers"]
    assert began <= first["time"] <= second["time"] <= time.monotonic()
    assert echo.say("recorded", number=1) == {"recorded": {POD: []}}


def test_crash_and_restart(echo: Echo, threads: ThreadPoolExecutor) -> None:
    """A crash resets open connections and refuses new ones; a restart comes back where it was, with nothing seen and no behaviour."""
    echo.behave("holds")
    (held,) = asked(echo, threads, 1)
    assert echo.say("crash") == {}
    with pytest.raises(httpx.ReadError):
        held.result(DEADLINE)
    with pytest.raises(httpx.ConnectError):
        echo.get()
    assert echo.seen()["requests"] == 1
    assert echo.say("crash") == {}
    assert echo.say("restart") == {}
    assert echo.seen() == {"requests": 0, "answered": 0, "changed": 0, "open": 0, "held": 0, "behaviours": {}}
    assert echo.get().status_code == 200


def test_a_crash_is_a_reset(echo: Echo) -> None:
    """An idle connection is reset, not closed in an orderly way."""
    with socket.create_connection(echo.workloads.address("echo-v1"), timeout=DEADLINE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536)
        echo.say("restart")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_ports_of_a_pod_behave_as_one(run: Run) -> None:
    """An instance that is only more ports of another fails, crashes and restarts with it, also when it comes later."""
    mesh = run(instance("echo-v1", "echo"))
    echo = Echo(mesh)
    echo.behave("fails")
    more = instance("more", "echo", pod=POD)
    mesh.started["listening"] += mesh.command("add", instances=[more])["listening"]
    assert mesh.get("more", "/").json()["podname"] == POD
    echo.say("crash")
    with pytest.raises(httpx.ConnectError):
        mesh.get("more", "/")
    mesh.started["listening"] += mesh.command("add", instances=[instance("third", "echo", pod=POD)])["listening"]
    with pytest.raises(httpx.ConnectError):
        mesh.get("third", "/")
    echo.say("restart")
    assert [mesh.get(name, "/").status_code for name in ("more", "third", "echo-v1")] == [200, 200, 200]
    assert echo.seen()["requests"] == 3


def test_an_instance_that_ends_lets_go(echo: Echo, threads: ThreadPoolExecutor) -> None:
    """Removed, it answers what it holds; one of its name that comes later knows nothing of it."""
    echo.behave("holds")
    (held,) = asked(echo, threads, 1)
    echo.workloads.command("remove", instances=[POD])
    assert held.result(DEADLINE).status_code == 200
    assert echo.say("observe") == {"error": f"not running: {POD}"}


@pytest.fixture
def lines(run: Run) -> Echo:
    """A workload that answers lines."""
    return Echo(run(instance("echo-v1", "echo", listen=[["127.0.0.1", 0, "tcp"]])))


def test_lines_are_slow_held_and_cut(lines: Echo, threads: ThreadPoolExecutor) -> None:
    """A line waits its turn behind one that is held; a line may be answered by half; a failure has no meaning."""
    lines.behave("fails")
    with (
        socket.create_connection(lines.workloads.address("echo-v1"), timeout=DEADLINE) as client,
        client.makefile("rb") as said,
    ):
        client.sendall(b"one\n")
        assert said.readline() == f"{POD} one\n".encode()
        lines.behave("slow", seconds=0.05, count=1)
        lines.behave("holds", count=1)
        client.sendall(b"two\nthree\nfour\n")
        assert said.readline() == f"{POD} two\n".encode()
        lines.until(held=1, requests=3)
        lines.say("recover")
        assert said.readline() == f"{POD} three\n".encode()
        assert said.readline() == f"{POD} four\n".encode()
        lines.behave("hangs_up", when="body", reset=False)
        client.sendall(b"five\n")
        whole = f"{POD} five".encode()
        assert said.read() == whole[: len(whole) // 2]
    assert lines.seen()["answered"] == 4


def test_lines_close_and_reset(lines: Echo) -> None:
    """The connection ends behind an answer, or instead of it."""
    lines.behave("closes", count=1)
    assert read(lines, b"one\n") == (f"{POD} one\n".encode(), False)
    lines.behave("hangs_up")
    assert read(lines, b"two\n") == (b"", True)


@pytest.mark.parametrize(
    ("members", "error"),
    [
        (
            {"behaviour": {"kind": "explodes"}},
            "kind is one of fails, slow, stalls, holds, hangs_up, closes, not 'explodes'",
        ),
        ({"behaviour": {"kind": "fails", "share": 1.5}}, "share is from 0 to 1, not 1.5"),
        ({"behaviour": {"kind": "fails", "status": 100}}, "status is an HTTP status from 200 to 599, not 100"),
        ({"behaviour": {"kind": "fails", "sttus": 100}}, "a behaviour has no sttus"),
        ({"behaviour": []}, "a behaviour is an object with a kind, not []"),
        ({"behaviour": {"kind": "fails"}, "number": True}, "number is a number, 0 or more, not True"),
        ({"behaviour": {"kind": "fails"}, "instances": ["a"]}, "not running: a"),
    ],
)
def test_wrong_commands(echo: Echo, members: dict[str, Any], error: str) -> None:
    """What is wrong with a command is in its reply."""
    told = {"instances": [POD], "number": 1, **members}
    assert echo.workloads.command("behave", **told) == {"error": error}


BEHAVIOURS = st.builds(
    Behaviour,
    kind=st.sampled_from(KINDS),
    share=st.floats(0, 1),
    after=st.integers(0, 10**9),
    count=st.none() | st.integers(0, 10**9),
    path=st.text(),
    headers=st.dictionaries(st.text(), st.text()),
    status=st.integers(200, 599),
    grpc_status=st.none() | st.integers(0, 16),
    answer_headers=st.dictionaries(st.text(), st.text()),
    seconds=st.floats(0, 1e9),
    when=st.sampled_from(WHENS),
    reset=st.booleans(),
)


@given(BEHAVIOURS)
def test_a_behaviour_survives_the_channel(behaviour: Behaviour) -> None:
    """What is read is what was written."""
    assert read_behaviour(json.loads(json.dumps(behaviour.as_json()))) == behaviour


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"share": -0.1}, "share"),
        ({"share": float("nan")}, "share"),
        ({"share": True}, "share"),
        ({"after": -1}, "after"),
        ({"count": 1.5}, "count"),
        ({"status": 600}, "status"),
        ({"status": "503"}, "status"),
        ({"grpc_status": 17}, "grpc_status"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"when": "after"}, "when is one of before, headers, body"),
        ({"path": 1}, "path"),
        ({"headers": {"a": 1}}, "headers"),
        ({"answer_headers": ["a"]}, "answer_headers"),
        ({"reset": 1}, "reset"),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], error: str) -> None:
    """Each field says what it takes."""
    with pytest.raises(ValueError, match=error):
        Behaviour("fails", **fields)


def test_counters_since_a_mark() -> None:
    """What has come since; connections and what is held are of now."""
    mark, now = Counters(5, 3, 2, 7, 1), Counters(9, 6, 3, 4, 2)
    assert now - mark == Counters(4, 3, 1, 4, 2)
    assert mark + now == Counters(14, 9, 5, 11, 3)


def test_a_request_that_was_decided_before_is_not_held_after() -> None:
    """A behaviour that is taken back between deciding a request and holding it does not hold it for ever."""
    conduct = Conduct("echo-1")
    conduct.behave(1, Behaviour("holds"))
    (rule,) = conduct.rules(1)
    assert rule.decides()
    conduct.recover([1])
    asyncio.run(asyncio.wait_for(rule.wait(), 1))


def test_a_crash_is_over_when_it_is_replied(echo: Echo) -> None:
    """Open connections have been reset when the command is answered: who reuses one then meets no half-dead pod."""
    for _ in range(10):
        with socket.create_connection(echo.workloads.address("echo-v1"), timeout=DEADLINE) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            echo.say("crash")
            client.setblocking(False)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        echo.say("restart")
