"""What a port speaks: HTTP, lines, TLS around either, and how a client is answered that speaks otherwise."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.authority import Authority
from meshtest.bookinfo.plan import PlanError, read_instances
from tests.bookinfo.workloads import Workloads, instance

Run = Callable[..., Workloads]
SPEECHES = ("http", "tcp", "any", "https", "tls", "all")
GET = b"GET /a HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new()


@pytest.fixture(scope="module")
def spoken(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workloads]:
    """One workload for each way to speak."""
    mesh = Workloads(
        *(
            instance(
                word, "echo", listen=[["127.0.0.1", 0, word]], podname=f"pod-{word}", certified=["own.example.com"]
            )
            for word in SPEECHES
        )
    )
    folder = tmp_path_factory.mktemp("keys")
    try:
        assert mesh.command("prove", authority=[authority.pem, authority.key], folder=str(folder)) == {}
        yield mesh
        assert list(folder.iterdir()) == [], "keys stay in memory"
    finally:
        assert mesh.close() == 0


def plainly(mesh: Workloads, word: str) -> socket.socket:
    """A connection in the clear."""
    return socket.create_connection(mesh.address(word), timeout=30)


def securely(mesh: Workloads, word: str, trusting: Authority, name: str = "www.example.com") -> ssl.SSLSocket:
    """A connection with TLS, that asks for a name."""
    return ssl.create_default_context(cadata=trusting.pem).wrap_socket(plainly(mesh, word), server_hostname=name)


def everything(connection: socket.socket) -> bytes:
    """All bytes until the peer closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            data += more
    return data


def echoed(stream: bytes) -> dict[str, Any]:
    """What an echo's answer says."""
    head, _, body = stream.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return dict(json.loads(body))


@pytest.mark.parametrize("word", ["http", "any", "all"])
def test_http_in_the_clear(spoken: Workloads, word: str) -> None:
    """A request gets an answer that says who answered, and nothing of TLS."""
    with plainly(spoken, word) as connection:
        connection.sendall(GET)
        answer = echoed(everything(connection))
    assert (answer["podname"], answer["host"]) == (f"pod-{word}", "www.example.com")
    assert "tls" not in answer


@pytest.mark.parametrize("word", ["tcp", "any", "all"])
def test_lines_in_the_clear(spoken: Workloads, word: str) -> None:
    """Each line comes back behind the prefix; what has no end of a line does not."""
    with plainly(spoken, word) as connection:
        connection.sendall(b"hello\nwor")
        connection.sendall(b"ld\n\nrest")
        connection.shutdown(socket.SHUT_WR)
        name = f"pod-{word}".encode()
        assert everything(connection) == name + b" hello\n" + name + b" world\n" + name + b" \n"


def test_a_request_is_a_line_like_others_to_a_server_of_lines(spoken: Workloads) -> None:
    """Where only lines are spoken, HTTP is echoed too, as by tcp-echo."""
    with plainly(spoken, "tcp") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection) == b"pod-tcp GET / HTTP/1.1\r\npod-tcp \r\n"


def test_the_prefix_is_the_authors(run: Run) -> None:
    """A prefix of its own, as the argument of tcp-echo."""
    mesh = run(instance("a", "echo", listen=[["127.0.0.1", 0, "tcp"]], prefix="one"))
    with plainly(mesh, "a") as connection:
        connection.sendall(b"hello\n")
        assert connection.recv(100) == b"one hello\n"


@pytest.mark.parametrize("word", ["https", "tls", "all"])
def test_http_within_tls(spoken: Workloads, authority: Authority, word: str) -> None:
    """The certificate is for the name asked for, whatever it is; the answer says that it was asked for, and by nobody who proved a name."""
    for name in ("www.example.com", "other.example.org", "own.example.com"):
        with securely(spoken, word, authority, name) as connection:
            connection.sendall(GET)
            answer = echoed(everything(connection))
            names = [value for _, value in connection.getpeercert()["subjectAltName"]]  # type: ignore[index,union-attr,misc]
        assert name in names
        assert "own.example.com" in names
        assert answer["tls"] == {"server_name": name, "client": []}


@pytest.mark.parametrize("word", ["tls", "all"])
def test_lines_within_tls(spoken: Workloads, authority: Authority, word: str) -> None:
    """Lines come back within TLS too."""
    with securely(spoken, word, authority) as connection:
        connection.sendall(b"hello\n")
        assert connection.recv(100) == f"pod-{word} hello\n".encode()


def test_a_client_that_proves_itself(spoken: Workloads, authority: Authority, tmp_path: Path) -> None:
    """The names of a client's certificate are in the answer; one of another authority is refused."""
    for issuer, right in ((authority, True), (Authority.new(), False)):
        file = tmp_path / "client.pem"
        file.write_text("".join(issuer.certificate("spiffe://cluster.local/ns/default/sa/me")))
        context = ssl.create_default_context(cadata=authority.pem)
        context.load_cert_chain(file)
        with context.wrap_socket(plainly(spoken, "https"), server_hostname="a.example.com") as connection:
            if right:
                connection.sendall(GET)
                client = echoed(everything(connection))["tls"]["client"]
                assert client == ["spiffe://cluster.local/ns/default/sa/me"]
            else:
                with contextlib.suppress(ssl.SSLError):  # the alert may be lost
                    assert connection.recv(1) == b""


@pytest.mark.parametrize("word", ["https", "tls"])
def test_in_the_clear_to_tls(spoken: Workloads, word: str) -> None:
    """A plain request to a port of TLS is answered 400, as servers do."""
    with plainly(spoken, word) as connection:
        connection.sendall(GET)
        assert everything(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("word", ["http", "tcp", "any"])
def test_tls_in_the_clear(spoken: Workloads, authority: Authority, word: str) -> None:
    """A client that begins with TLS where there is none is hung up on, without a word."""
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        securely(spoken, word, authority)
    with plainly(spoken, word) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\n")
        assert everything(connection) == b""


def test_tls_before_there_is_an_authority(run: Run, authority: Authority) -> None:
    """Without anything to prove itself with, a port of TLS hangs up; with it, it goes on."""
    mesh = run(instance("a", "echo", listen=[["127.0.0.1", 0, "https"]]))
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        securely(mesh, "a", authority)
    mesh.command("prove", authority=[authority.pem, authority.key], folder="/tmp")
    with securely(mesh, "a", authority) as connection:
        connection.sendall(GET)
        assert echoed(everything(connection))["host"] == "www.example.com"


def test_a_handshake_that_fails_is_not_the_end(spoken: Workloads, authority: Authority) -> None:
    """Clients that say nothing, nonsense, or that trust another authority do not stop the server."""
    with plainly(spoken, "https"), plainly(spoken, "tls") as nonsense:
        nonsense.sendall(b"\x16nonsense" * 100)
        assert b"HTTP" not in everything(nonsense)
        with pytest.raises(ssl.SSLCertVerificationError):
            securely(spoken, "https", Authority.new())
        with securely(spoken, "https", authority) as connection:
            connection.sendall(GET)
            assert echoed(everything(connection))["podname"] == "pod-https"


def test_removed_ports_are_closed(run: Run, authority: Authority) -> None:
    """A removed instance takes no more connections on any of its ports; an idle one is closed."""
    words = [["127.0.0.1", 0, word] for word in SPEECHES]
    mesh = run(instance("a", "echo", listen=words), instance("b", "echo"))
    mesh.command("prove", authority=[authority.pem, authority.key], folder="/tmp")
    addresses = [mesh.address("a", index) for index in range(len(SPEECHES))]
    with contextlib.ExitStack() as opened:
        idle = [opened.enter_context(socket.create_connection(each, timeout=30)) for each in addresses]
        name = mesh.started["listening"][0]["name"]
        assert mesh.command("remove", instances=[name]) == {"removed": [name]}
        assert all(everything(each) == b"" for each in idle)
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=30)


def test_calls_go_elsewhere(run: Run) -> None:
    """`call` changes where an instance reaches its upstreams."""
    others = run(instance("ratings-v1", "ratings"), instance("other-v1", "ratings"), instance("echo-v1", "echo"))
    upstreams = {"ratings:9080": others.address("ratings-v1"), "details:9080": others.address("ratings-v1")}
    mesh = run(instance("reviews-v2", "reviews", "v2", upstreams=upstreams))
    name = mesh.started["listening"][0]["name"]

    def rated() -> bool:
        return "stars" in mesh.get("reviews-v2", "/reviews/0").text

    assert rated()
    assert mesh.command("call", upstreams={name: {"ratings:9080": others.address("echo-v1")}}) == {"calling": [name]}
    assert not rated()
    assert mesh.command("call", upstreams={name: {"ratings:9080": others.address("other-v1")}}) == {"calling": [name]}
    assert rated()
    assert "not running: nobody" in mesh.command("call", upstreams={"nobody": {}})["error"]
    assert "upstreams is an object" in mesh.command("call")["error"]
    assert "prove takes" in mesh.command("prove")["error"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"listen": [["127.0.0.1", 80, "ftp"]]}, "instances[0].listen[0]: what is spoken is one of http, tcp, any"),
        ({"listen": [["127.0.0.1", 80, 7]]}, "instances[0].listen[0] is [address, port]"),
        ({"listen": [["127.0.0.1", 70000, "tcp"]]}, "instances[0].listen[0] is [address, port]"),
        ({"certified": "a"}, "instances[0].certified is a list of strings"),
        ({"podname": 7}, "instances[0].podname is a string"),
    ],
)
def test_plans_that_are_not_understood(fields: dict[str, Any], said: str) -> None:
    """What is wrong with the new members of a plan is said with its place."""
    with pytest.raises(PlanError) as caught:
        read_instances({"instances": [instance("a", "echo", **fields)]})
    assert str(caught.value).startswith(said)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(min_size=0, max_size=20).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=6),
    st.integers(1, 7),
)
def test_lines_in_any_pieces(spoken: Workloads, lines: list[bytes], size: int) -> None:
    """However a stream of lines is cut, each comes back once and in order."""
    stream = b"\n".join(lines) + b"\n"
    if stream.startswith(b"\x16"):
        stream = b"." + stream
    with plainly(spoken, "any") as connection:
        for start in range(0, len(stream), size):
            connection.sendall(stream[start : start + size])
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection) == b"".join(b"pod-any " + line + b"\n" for line in stream.split(b"\n")[:-1])
