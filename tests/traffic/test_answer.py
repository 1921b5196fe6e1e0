"""Reading answers: the same bytes mean the same however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.traffic.answer import BODY_LIMIT, HEAD_LIMIT, Answer

# No timing assertions: a busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nx-trailer: 1\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
VALID = {
    "length": OK,
    "chunked": CHUNKED,
    "interim": b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + OK,
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 5\r\n\r\nhello",
    "http/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "empty": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    "until closed": CLOSE,
    "unknown status": b"HTTP/1.1 555 \r\ncontent-length: 5\r\n\r\nhello",
}


def read(*pieces: bytes, method: str = "GET", end: bool = True) -> Answer:
    """An answer from these pieces, and the end of the stream unless it is complete before."""
    answer = Answer()
    answer.expect(method)
    for piece in pieces:
        if not answer.complete and answer.error is None:
            answer.feed(piece)
    if end and not answer.complete and answer.error is None:
        answer.finish()
    return answer


def seen(answer: Answer) -> tuple[object, ...]:
    """All that a user of an answer can see."""
    return answer.complete, answer.error, answer.status, answer.headers, answer.body, answer.reusable


@pytest.mark.parametrize("kind", VALID)
def test_every_cut_gives_the_same_answer(kind: str) -> None:
    """However the network cuts an answer in two, or into single bytes, it reads the same."""
    data = VALID[kind]
    whole = read(data)
    assert whole.complete
    assert whole.error is None
    for cut in range(1, len(data)):
        assert seen(read(data[:cut], data[cut:])) == seen(whole), f"cut at {cut}"
    assert seen(read(*(data[i : i + 1] for i in range(len(data))))) == seen(whole)


@pytest.mark.parametrize(
    ("kind", "status", "body", "reusable"),
    [
        ("length", 200, b"hello", True),
        ("chunked", 200, b"hello", True),
        ("interim", 200, b"hello", True),
        ("close", 200, b"hello", False),
        ("http/1.0", 200, b"hello", False),
        ("empty", 503, b"", True),
        ("no content", 204, b"", True),
        ("not modified", 304, b"", True),
        ("until closed", 200, b"hello", False),
        ("unknown status", 555, b"hello", True),
    ],
)
def test_what_an_answer_says(kind: str, status: int, body: bytes, reusable: bool) -> None:
    """Status, body, and whether another request may follow."""
    answer = read(VALID[kind])
    assert (answer.status, answer.body, answer.reusable) == (status, body, reusable)


def test_header_names_are_lower_case_and_interim_headers_are_dropped() -> None:
    """Attribution sees the headers of the final answer only, trailers excluded."""
    assert read(CHUNKED).headers == [(b"transfer-encoding", b"chunked")]
    assert read(VALID["interim"]).headers == [(b"content-length", b"5")]


@pytest.mark.parametrize("kind", [kind for kind in VALID if kind != "until closed"])
def test_every_truncation_is_an_error(kind: str) -> None:
    """An answer that ends too soon is never taken for a whole one."""
    data = VALID[kind]
    assert read().error == "read: closed before an answer"
    for length in range(1, len(data)):
        answer = read(data[:length])
        assert not answer.complete, data[:length]
        assert answer.error == "read: closed in the middle of an answer"


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 1000 High\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_answers_are_errors_however_cut(data: bytes) -> None:
    """What is no HTTP is an error that says so."""
    for cut in range(1, len(data)):
        answer = read(data[:cut], data[cut:])
        assert not answer.complete
        assert answer.error is not None
        assert answer.error.startswith("malformed answer: ")


@pytest.mark.parametrize("junk", [b"x", b"HTTP/1.1 200 OK\r\n", OK])
@pytest.mark.parametrize("kind", [kind for kind in VALID if kind != "until closed"])
def test_bytes_after_an_answer_spoil_the_connection_not_the_answer(kind: str, junk: bytes) -> None:
    """An answer is what it is, whether or not more came with it; the connection is not used again."""
    alone, followed = read(VALID[kind]), read(VALID[kind] + junk)
    assert seen(followed)[:-1] == seen(alone)[:-1]
    assert not followed.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n",
    ],
)
def test_an_answer_to_head_has_no_body(data: bytes) -> None:
    """An answer to HEAD ends with its head, and the next answer is read afresh."""
    for cut in range(1, len(data)):
        answer = read(data[:cut], data[cut:], method="HEAD", end=False)
        assert answer.complete
        assert answer.body == b""
        answer.expect("GET")
        answer.feed(OK)
        assert answer.complete
        assert answer.body == b"hello"
        assert answer.reusable


def test_a_body_after_an_answer_to_head_spoils_the_connection() -> None:
    """A server that sends a body after HEAD is not trusted with another request."""
    answer = read(OK, method="HEAD")
    assert answer.complete
    assert not answer.reusable


def test_a_switch_of_protocols_is_an_answer_and_the_end_of_the_connection() -> None:
    """101 ends HTTP on the connection."""
    answer = read(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n\0\1")
    assert answer.complete
    assert answer.status == 101
    assert not answer.reusable


@pytest.mark.parametrize("piece", [b"a", b"a: b\r\n", b"a: " + b"b" * 1000 + b"\r\n"])
def test_a_head_without_end_is_an_error(piece: bytes) -> None:
    """A flood of headers, or one endless header, ends at the limit."""
    answer = Answer()
    answer.expect("GET")
    answer.feed(b"HTTP/1.1 200 OK\r\n")
    for _ in range(HEAD_LIMIT // len(piece) + 1):
        if answer.error is None:
            answer.feed(piece)
    assert answer.error == "answer head larger than 64 KiB"
    assert not answer.complete


def test_a_large_head_in_one_piece_is_an_error() -> None:
    """The limit does not depend on how the head was cut."""
    head = b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * HEAD_LIMIT + b"content-length: 0\r\n\r\n"
    assert read(head).error == "answer head larger than 64 KiB"


def test_a_body_without_end_is_an_error() -> None:
    """An endless body ends at the limit, not with the memory."""
    answer = Answer()
    answer.expect("GET")
    answer.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(BODY_LIMIT // 2**20 + 1):
        answer.feed(bytes(2**20))
    assert answer.error == "answer body larger than 64 MiB"


@PATIENT
@given(st.lists(st.binary(min_size=1, max_size=200), max_size=8), st.data())
def test_any_body_in_any_chunks_in_any_pieces(chunks: list[bytes], data: st.DataObject) -> None:
    """The body is the concatenation of its chunks, wherever the network cuts."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=6)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    answer = read(*pieces)
    assert answer.complete
    assert answer.body == b"".join(chunks)
    assert answer.reusable


@PATIENT
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_arbitrary_bytes_never_raise(pieces: list[bytes]) -> None:
    """Whatever a peer sends ends as an answer or as an error."""
    answer = read(b"HTTP/1.1 200 OK\r\n", *pieces)
    assert answer.complete != (answer.error is not None)
