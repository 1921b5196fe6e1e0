"""The stand-in process, started for a test and gone after it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.bookinfo.workloads import Workloads, instance
from tests.traffic.scripted_server import Script, ScriptedServer

Run = Callable[..., Workloads]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts stand-ins; none outlives the test, and each ends well."""
    started: list[Workloads] = []

    def start(*instances: dict[str, Any]) -> Workloads:
        started.append(Workloads(*instances))
        return started[-1]

    try:
        yield start
    finally:
        statuses = [workloads.close() for workloads in started]
    assert all(status == 0 for status in statuses), statuses


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Starts servers that follow a script, to stand for upstreams; all are gone at the end of the test."""
    with contextlib.ExitStack() as servers:

        def start(script: Script) -> ScriptedServer:
            server = ScriptedServer(script)
            servers.callback(server.close)
            return server

        yield start


@pytest.fixture(scope="session")
def bookinfo() -> Iterator[Workloads]:
    """All of Bookinfo, each workload calling the others directly."""
    ratings = Workloads(instance("ratings-v1", "ratings"), instance("details-v1", "details"))
    upstreams: dict[str, Any] = {
        "ratings:9080": ratings.address("ratings-v1"),
        "details:9080": ratings.address("details-v1"),
    }
    reviews = Workloads(*(instance(f"reviews-{v}", "reviews", v, upstreams=upstreams) for v in ("v1", "v2", "v3")))
    upstreams["reviews:9080"] = reviews.address("reviews-v3")
    front = Workloads(instance("productpage-v1", "productpage", upstreams=upstreams))
    whole = ratings
    for other in (reviews, front):
        whole.started["listening"] += other.started["listening"]
    try:
        yield whole
    finally:
        assert [front.close(), reviews.close(), ratings.close()] == [0, 0, 0]
