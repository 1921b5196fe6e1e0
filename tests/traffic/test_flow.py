"""Requests in the background: they begin with the block, end with it, and none is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from meshtest.errors import MeshError
from meshtest.traffic.driver import Driver
from meshtest.traffic.flow import Flow
from meshtest.traffic.request import GET
from tests.traffic.scripted_server import Peer, Script, ScriptedServer

Serve = Callable[[Script], ScriptedServer]


class Counting:
    """Answers every request, counts them, and says when there were enough."""

    def __init__(self, enough: int) -> None:
        self.count, self.enough = 0, threading.Event()
        self._left, self._lock = enough, threading.Lock()

    def __call__(self, peer: Peer) -> None:
        while peer.read_request() is not None:
            with self._lock:
                self.count += 1
                if self.count >= self._left:
                    self.enough.set()
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("options", [{}, {"rate": 500}, {"connections": 1}])
def test_all_the_while(serve: Serve, options: dict[str, float]) -> None:
    """Requests are sent until the block ends, and each has its answer."""
    script = Counting(50)
    driver = Driver(serve(script).address, connections=4)
    with Flow(driver, GET("/"), **options) as flow:
        with pytest.raises(RuntimeError, match="still under way"):
            _ = flow.sample
        assert script.enough.wait(20)
    assert len(flow.sample) == script.count >= 50
    assert set(flow.sample.status) == {200}
    with pytest.raises(RuntimeError, match="closed"):
        driver.run(GET("/"), 1)


def test_waiting_and_changes(serve: Serve) -> None:
    """A wait is for requests begun after it; changes are noted with their times; a flow that has ended is not waited for."""
    script = Counting(1)
    with Flow(Driver(serve(script).address, connections=2), GET("/")) as flow:
        flow.wait(20)
        before = script.count
        with flow.change("a change"):
            flow.wait(20)
        assert script.count >= before + 18  # two were under way
    (change,) = flow.changes
    assert change.what == "a change"
    assert change.began < change.ended
    with (
        Flow(Driver(serve(Counting(1)).address), GET("/"), n=1) as short,
        pytest.raises(MeshError, match="ended before"),
    ):
        short.wait(2)
    assert short.done
    assert len(short.sample) == 1


def test_stopped_at_once(serve: Serve) -> None:
    """A flow that ends before its first request has an empty sample, or a whole one."""
    script = Counting(1)
    with Flow(Driver(serve(script).address), GET("/")) as flow:
        pass
    assert len(flow.sample) == script.count


def test_what_goes_wrong(serve: Serve) -> None:
    """An error of the flow is raised at its end; one of the block goes first."""
    with pytest.raises(ValueError, match="rate"), Flow(Driver(serve(Counting(1)).address), GET("/"), rate=-1):
        pass
    with (
        pytest.raises(MeshError, match="the block's"),
        Flow(Driver(serve(Counting(1)).address), GET("/"), rate=-1),
    ):
        raise MeshError("the block's own")
