"""Fixtures of the traffic tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.traffic.scripted_server import Script, ScriptedServer


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Starts servers that follow a script; all are gone at the end of the test."""
    with contextlib.ExitStack() as servers:

        def start(script: Script) -> ScriptedServer:
            server = ScriptedServer(script)
            servers.callback(server.close)
            return server

        yield start
