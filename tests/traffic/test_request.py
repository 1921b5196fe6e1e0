"""Requests: what HTTP can carry, and what it must not."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.traffic.payload import encode
from meshtest.traffic.request import DELETE, GET, HEAD, POST, PUT, Request, request

# No timing assertions: a busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_path_has_no_authority() -> None:
    """A path goes on the request line as it is and leaves the host to the driver."""
    asked = GET("/reviews/0?x=1")
    assert (asked.method, asked.path, asked.authority) == ("GET", "/reviews/0?x=1", None)


@pytest.mark.parametrize(
    ("target", "authority", "path"),
    [
        ("http://reviews:9080/reviews/0", "reviews:9080", "/reviews/0"),
        ("http://reviews:9080", "reviews:9080", "/"),
        ("http://reviews?x=1", "reviews", "/?x=1"),
        ("http://[::1]:80/a?b=c", "[::1]:80", "/a?b=c"),
    ],
)
def test_a_url_has_authority_and_path(target: str, authority: str, path: str) -> None:
    """An absolute URL is split into the Host and the origin form."""
    assert (GET(target).authority, GET(target).path) == (authority, path)


@pytest.mark.parametrize(
    "target",
    [
        *("reviews/0", "", "HTTPS://reviews/", "https:///x", "ftp://x/", "/a b", "/a\r\nX: y", "/a#b", "/ä"),
        *("http:///x", "http://user:pw@host/", "http://host:port/", "http://host:99999/"),
    ],
)
def test_a_wrong_target_is_refused(target: str) -> None:
    """A target that is not a path or http URL, or that would break the request line, is a ValueError that shows it."""
    with pytest.raises(ValueError, match=r"\w+ .*"):
        GET(target)


def test_schemes() -> None:
    """A URL of https is a request too; a path has the scheme that is usual."""
    secure = GET("https://reviews:9080/a?b")
    assert (secure.scheme, secure.authority, secure.path) == ("https", "reviews:9080", "/a?b")
    assert (GET("http://reviews/").scheme, GET("/https://x").scheme) == ("http", "http")


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x7f", "\x1b"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_control_characters_in_headers_are_refused(character: str, place: str) -> None:
    """No header can smuggle a line, a header or a request."""
    header = {"x-a": f"b{character}c"} if place == "value" else {f"x{character}a": "b"}
    with pytest.raises(ValueError, match="header"):
        GET("/", headers=header)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_framing_headers_are_refused(name: str) -> None:
    """The body frames the request; a second framing is refused."""
    with pytest.raises(ValueError, match="set by the driver"):
        POST("/", headers={name: "5"}, body=b"abc")


@pytest.mark.parametrize(
    "headers",
    [{"": "x"}, {"a b": "x"}, {"a:": "x"}, {"x": "☃"}, {"x": 1}, {1: "x"}, "x: y"],
)
def test_what_is_no_header_is_refused(headers: object) -> None:
    """Names are tokens, values Latin-1 strings."""
    with pytest.raises(ValueError, match="header"):
        GET("/", headers=headers)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["", "GE T", "G\r\n", "CONNECT"])
def test_what_is_no_method_is_refused(method: str) -> None:
    """A method is a token, and not CONNECT."""
    with pytest.raises(ValueError, match=r"method|CONNECT"):
        request(method, "/")


def test_a_request_has_one_body() -> None:
    """Body, JSON and form exclude each other."""
    with pytest.raises(ValueError, match="one body"):
        POST("/", json={}, form={"a": "b"})


def test_json_and_form_bring_their_content_type() -> None:
    """The body is encoded and named, unless the test names it itself."""
    assert POST("/", json={"a": [1]}).header("Content-Type") == "application/json"
    assert json.loads(POST("/", json={"a": [1]}).body) == {"a": [1]}
    assert POST("/", form={"a": "b c"}) == POST(
        "/", body="a=b+c", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert POST("/", json=1, headers={"Content-Type": "text/x"}).header("content-type") == "text/x"


@PATIENT
@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_a_form_can_be_read_back(form: dict[str, str]) -> None:
    """What is sent as a form is what a server reads."""
    read = parse_qs(POST("/", form=form).body.decode(), keep_blank_values=True)
    assert read == {name: [value] for name, value in form.items()}


def test_requests_read_as_english() -> None:
    """A request prints as HTTP with its headers in parentheses."""
    assert str(GET("/reviews/0", headers={"end-user": "jason"})) == "GET /reviews/0 (end-user: jason)"
    assert str(GET("/")) == "GET /"
    assert str(PUT("/x", body=b"abc")) == "PUT /x (3 bytes)"
    assert str(DELETE("/x")) == "DELETE /x"
    assert str(HEAD("http://a/x")) == "HEAD http://a/x"


def test_requests_are_values() -> None:
    """Equal requests are equal, hashable and immutable."""
    assert hash(GET("/", headers=[("a", "b"), ("a", "c")])) == hash(Request("GET", "/", (("a", "b"), ("a", "c"))))
    with pytest.raises(AttributeError):
        GET("/").method = "PUT"  # type: ignore[misc]


def test_the_wire_form_is_http() -> None:
    """Line, Host, User-Agent, headers and a framed body."""
    payload = encode(POST("http://reviews:9080/x?y", headers={"a": "b"}, body=b"12"), "reviews:9080", "meshtest")
    lines = payload.numbered(0).split(b"\r\n")
    assert lines[0] == b"POST /x?y HTTP/1.1"
    assert {b"Host: reviews:9080", b"User-Agent: meshtest", b"Content-Length: 2", b"a: b"} < set(lines)
    assert lines[-2:] == [b"", b"12"]


def test_own_host_and_agent_go_first() -> None:
    """A request's own Host and User-Agent are sent once, and instead of the driver's."""
    head = encode(GET("/", headers={"HOST": "h", "User-Agent": "{n}"}), "other", "meshtest/{n}").numbered(7).lower()
    assert head.count(b"host:") == 1
    assert b"host: h\r\n" in head
    assert head.count(b"user-agent:") == 1
    assert b"user-agent: {n}\r\n" in head


@pytest.mark.parametrize(("host", "agent"), [("h\r\nx: y", "a"), ("h", "a\nb"), ("☃", "a")])
def test_host_and_agent_of_a_run_are_checked_too(host: str, agent: str) -> None:
    """Nothing that goes onto the wire can smuggle a header."""
    with pytest.raises(ValueError, match="a header value"):
        encode(GET("/"), host, agent)


def test_a_user_agent_can_carry_the_number() -> None:
    """{n} in the driver's user agent becomes the number of the request, so that access logs tell requests apart."""
    payload = encode(POST("/{n}", body=b"{n}"), "host", "meshtest/{n}/x")
    head = payload.numbered(42)
    assert b"User-Agent: meshtest/42/x\r\n" in head
    assert head.startswith(b"POST /{n} ")
    assert head.endswith(b"{n}")
