"""Connections as load, against real sockets; and single TLS handshakes that come to nothing."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from meshtest.errors import MeshError
from meshtest.traffic.attribution import by_line
from meshtest.traffic.flow import Flow
from meshtest.traffic.handshake import handshake, offering
from meshtest.traffic.tcp import TCP, Connections

LINE = TCP("tcp://echo:9000", b"hello\n")
Address = tuple[str, int]


@contextmanager
def server(*answers: bytes | None) -> Iterator[Address]:
    """Answers connection after connection with these texts, over and over; None resets it."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve() -> None:
        number = 0
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                answer = answers[number % len(answers)]
                number += 1
                with connection:
                    if answer is None:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    else:
                        connection.recv(1000)
                        connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_each_connection_is_an_observation() -> None:
    """Exactly so many are opened; the version is in the first word."""
    with server(b"echo-v1-7d9c5b8f6d-abcde hello\n", b"two hello\n") as address:
        sample = Connections(address, connections=4).run(LINE, 30)
    assert len(sample) == 30
    assert sample.counts() == {"v1": 15, "two": 15}
    assert not sample.errors


def test_what_is_closed_and_what_is_reset() -> None:
    """A connection that is closed without a line has no version; one that is reset is a transport error."""
    with server(b"", None) as address:
        sample = Connections(address, connections=1).run(LINE, 10)
    assert sample.counts() == {None: 5}
    assert sample.errors == {"reset": 5}


def test_nobody_listens() -> None:
    """A refused connection is a transport error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    assert Connections(address).run(LINE, 3).errors == {"connect: refused": 3}


def test_a_flow_of_connections() -> None:
    """Connections can be a flow, which can be waited for and stopped."""
    with server(b"one hello\n") as address, Flow(Connections(address, connections=2), LINE, rate=1000) as flow:
        flow.wait(5)
    assert set(flow.sample.answered) == {"one"}


def test_until_a_time() -> None:
    """A run may end by time; one without an end is refused."""
    with server(b"one hello\n") as address:
        assert len(Connections(address).run(LINE, duration=0.05)) > 0
        with pytest.raises(ValueError, match="say how much"):
            Connections(address).run(LINE)


@pytest.mark.parametrize(
    ("line", "version"), [(b"web-v2-7d9c5b8f6d-abcde hi\n", "v2"), (b"one hi\n", "one"), (b"", None), (b"\n", None)]
)
def test_versions_of_lines(line: bytes, version: str | None) -> None:
    """The pod's version, else the word."""
    assert by_line()(0, (), line) == version


@pytest.mark.parametrize(("target", "data"), [("http://a:1", b"x"), ("tcp://a", b"x"), ("tcp://a:1", b"")])
def test_no_connection(target: str, data: bytes) -> None:
    """What is no connection is said where it is written."""
    with pytest.raises(ValueError, match=r"a connection is to tcp://host:port|say what is sent"):
        TCP(target, data)


def context() -> ssl.SSLContext:
    """A client's TLS."""
    return ssl.create_default_context()


def test_handshakes_that_come_to_nothing() -> None:
    """Who speaks no TLS, hangs up, or is not there, refuses; who says nothing is an error of the surroundings."""
    with server(b"no TLS\n", None) as address:
        assert handshake(address, None, "web", context()).refused == "wrong version number"
        assert handshake(address, None, "web", context()).refused == "closed"
    assert handshake(address, None, "web", context()).refused == "nothing listens"
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(MeshError, match="does not answer a TLS handshake"),
    ):
        handshake(silent.getsockname(), None, "web", context(), timeout=0.01)


def test_offers() -> None:
    """A version is offered alone; what OpenSSL does not know is said."""
    made = offering(context(), "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert made.minimum_version == made.maximum_version == ssl.TLSVersion.TLSv1_2
    with pytest.raises(ValueError, match="the versions of TLS"):
        offering(context(), "SSLv3", None)
    with pytest.raises(ValueError, match="knows no cipher suite 'NONE-SUCH'"):
        offering(context(), None, "NONE-SUCH")
