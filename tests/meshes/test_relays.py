"""Connections through the relay of a pod, and port-forwards, over a socket instead of an API server."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from meshtest import GET, Driver
from meshtest.bookinfo.ports import RELAY
from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.relays import Relays
from meshtest.resources.manifest import read_objects
from meshtest.topology.instance import Instance, from_pod
from tests.bookinfo.pod_process import NAMESPACE, Pod

Serve = Callable[[socket.socket], None]


def instance(pod: Pod) -> Instance:
    metadata = {"name": pod.name, "namespace": NAMESPACE}
    [resource] = read_objects([{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}])
    return from_pod(resource, "10.0.0.1")


class Way:
    """The way to a pod, that of its relay as that of any port."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.made: list[socket.socket] = []

    def __call__(self, namespace: str, name: str, port: int) -> socket.socket:
        assert (namespace, name) == (NAMESPACE, self.pod.name)
        made = self.pod.connect("relay") if port == RELAY else socket.create_connection(("127.0.0.1", port), timeout=30)
        made.settimeout(None)
        self.made.append(made)
        return made


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    with Pod(listen=[["127.0.0.1", 0], ["127.0.0.1", 0, "tcp"]]) as pod:
        yield pod


@pytest.fixture
def way(pod: Pod) -> Way:
    return Way(pod)


@pytest.fixture
def relays(way: Way) -> Iterator[Relays]:
    relays = Relays(way)
    yield relays
    relays.close()


@contextmanager
def server(serve: Serve) -> Iterator[int]:
    """Serves connections, each in a thread; its port."""
    threads = []
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:

        def accept() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=serve, args=(taken,), daemon=True))
                threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    accepting.join(30)
    for each in threads:
        each.join(30)


def connected(relays: Relays, pod: Pod, port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(relays.to(instance(pod), host, port), timeout=30)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_requests(relays: Relays, way: Way, pod: Pod) -> None:
    """The load driver reaches what the pod reaches, over one connection to the pod."""
    with Driver(relays.to(instance(pod), "localhost", pod.port()), connections=16) as driver:
        assert driver.run(GET("http://echo:8000/a"), 500).statuses() == {200: 500}
    assert len(way.made) == 1


def test_many_connections(relays: Relays, way: Way, pod: Pod) -> None:
    """Hundreds are carried at once."""
    with ExitStack() as stack:
        all_of_them = [stack.enter_context(connected(relays, pod, pod.port(1))) for _ in range(300)]
        for number, each in enumerate(all_of_them):
            each.sendall(f"{number}\n".encode())
        for number, each in enumerate(all_of_them):
            assert each.recv(100) == f"{pod.name} {number}\n".encode()
    assert len(way.made) == 1


def test_where_it_leaves(relays: Relays, pod: Pod) -> None:
    """The address that a connection has behind the pod is known at once; that of another connection is its own."""

    def tell(taken: socket.socket) -> None:
        with taken:
            taken.sendall(repr(taken.getpeername()).encode())

    with server(tell) as port:
        for _ in range(20):
            with connected(relays, pod, port) as client:
                left_from = relays.source_of(client.getsockname())
                assert client.makefile("rb").read() == repr(left_from).encode()
    assert relays.source_of(("192.0.2.1", 5)) == ("192.0.2.1", 5)


def test_half_closed(relays: Relays, pod: Pod) -> None:
    """Who has said all may go on to listen, on either side."""

    def answer_at_the_end(taken: socket.socket) -> None:
        with taken:
            said = b""
            while data := taken.recv(1000):
                said += data
            taken.sendall(said.upper())

    def end_at_once(taken: socket.socket) -> None:
        with taken:
            taken.sendall(b"bye")
            taken.shutdown(socket.SHUT_WR)
            heard.append(taken.recv(1000))

    heard: list[bytes] = []
    with server(answer_at_the_end) as port, connected(relays, pod, port) as client:
        client.sendall(b"all that there is")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"ALL THAT THERE IS"
    with server(end_at_once) as port, connected(relays, pod, port) as client:
        assert client.makefile("rb").read() == b"bye"
        client.sendall(b"goodbye")
        client.shutdown(socket.SHUT_WR)
    assert heard == [b"goodbye"]


def test_reset_by_the_host(relays: Relays, pod: Pod) -> None:
    """A connection that the host resets is reset here."""

    def hang_up(taken: socket.socket) -> None:
        taken.recv(1000)
        reset(taken)

    with server(hang_up) as port, connected(relays, pod, port) as client:
        client.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            client.recv(1000)


def test_reset_by_the_client(relays: Relays, pod: Pod) -> None:
    """A connection that is reset here is reset at the host."""
    seen, begun, ended = [], threading.Event(), threading.Event()

    def listen(taken: socket.socket) -> None:
        with taken:
            begun.set()
            try:
                while taken.recv(1000):
                    pass
                seen.append("end")
            except ConnectionResetError:
                seen.append("reset")
        ended.set()

    with server(listen) as port:
        client = connected(relays, pod, port)
        client.sendall(b"hello")
        assert begun.wait(30)
        reset(client)
        assert ended.wait(30)
    assert seen == ["reset"]


@pytest.mark.parametrize(("host", "reason"), [("127.0.0.1", "ECONNREFUSED"), ("nowhere.invalid", "EAI_NONAME")])
def test_refused(relays: Relays, pod: Pod, host: str, reason: str) -> None:
    """A connection that cannot be made is reset, and why is known."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert relays.refusal(instance(pod), host, port) == ""
    with connected(relays, pod, port, host) as client:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert relays.refusal(instance(pod), host, port) == reason


def test_who_does_not_read(relays: Relays, pod: Pod) -> None:
    """A connection whose client does not read holds up its server, and no other connection; in the end all has come."""
    size = 64 << 20  # more than all buffers on the way hold

    def pour(taken: socket.socket) -> None:
        with taken:
            taken.sendall(bytes(size))
            poured.set()

    poured = threading.Event()
    with server(pour) as port, connected(relays, pod, port) as slow:
        slow.recv(1)
        with Driver(relays.to(instance(pod), "127.0.0.1", pod.port()), connections=4) as driver:
            assert driver.run(GET("http://echo:8000/a"), 200).statuses() == {200: 200}
        assert not poured.is_set()
        got = 1
        while data := slow.recv(1 << 20):
            got += len(data)
        assert got == size


def test_what_is_said_arrives(relays: Relays, pod: Pod) -> None:
    """Megabytes come back as they were sent, however they are cut."""

    def echo(taken: socket.socket) -> None:
        with taken, suppress(ConnectionResetError):
            while data := taken.recv(1 << 16):
                taken.sendall(data)

    said = bytes(range(256)) * (1 << 14)
    with server(echo) as port, connected(relays, pod, port) as client:

        def say() -> None:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)

        saying = threading.Thread(target=say)
        saying.start()
        assert client.makefile("rb").read() == said
        saying.join()


def test_a_line_that_is_lost(relays: Relays, way: Way, pod: Pod) -> None:
    """When the connection to the pod breaks all that it carried is reset; the next one is made anew."""
    with connected(relays, pod, pod.port(1)) as client:
        client.sendall(b"a\n")
        assert client.recv(100) == f"{pod.name} a\n".encode()
        way.made[0].shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with connected(relays, pod, pod.port(1)) as client:
        client.sendall(b"b\n")
        assert client.recv(100) == f"{pod.name} b\n".encode()
    assert len(way.made) == 2


def test_no_relay(pod: Pod) -> None:
    """A pod that runs something else is an error that says what to do."""

    def nobody(namespace: str, name: str, port: int) -> socket.socket:
        here, there = socket.socketpair()
        there.close()
        return here

    relays = Relays(nobody)
    try:
        with pytest.raises(MeshError, match=r"pod town/echo-v1-abc has no relay, .* `meshtest bookinfo`"):
            relays.to(instance(pod), "127.0.0.1", 80)
    finally:
        relays.close()


def test_forwarded(relays: Relays, way: Way, pod: Pod) -> None:
    """A port of the pod itself: a connection each."""
    address = relays.forwarded(instance(pod), pod.port())
    assert relays.forwarded(instance(pod), pod.port()) == address
    with Driver(address, connections=3) as driver:
        assert driver.run(GET("/a"), 100).statuses() == {200: 100}
    assert len(way.made) == 3


def test_forwarded_ends(relays: Relays, pod: Pod) -> None:
    """The end of one side is the end of the other; where nobody listens the connection is reset."""
    with socket.create_connection(relays.forwarded(instance(pod), pod.port()), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        pytest.raises(ConnectionResetError),  # it may come while the connection is being made
        socket.create_connection(relays.forwarded(instance(pod), port), timeout=30) as client,
    ):
        client.recv(1)


def test_the_end(way: Way, pod: Pod) -> None:
    """After the end nothing is left: no thread, no port, no connection; to end it again is harmless."""
    before = threading.active_count()
    relays = Relays(way)
    address = relays.to(instance(pod), "127.0.0.1", pod.port(1))
    forwarded = relays.forwarded(instance(pod), pod.port(1))
    with socket.create_connection(address, timeout=30) as one, socket.create_connection(forwarded, timeout=30) as two:
        for each in (one, two):
            each.sendall(b"a\n")
            assert each.recv(100)
        relays.close()
        relays.close()
        for each in (one, two):
            with suppress(ConnectionResetError):
                assert each.recv(100) == b""
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=30)
