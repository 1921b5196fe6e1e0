"""Headers as Envoy reads them, seen on Envoy 1.40."""

from __future__ import annotations

from typing import Any

import pytest

from meshtest.explain.headers import Headers, received, request_headers
from meshtest.explain.matcher import header_matches, parameter_matches, parameters, string_matches


def seen(*given: tuple[str, str], gateway: bool = False, encrypted: bool = False, peer: str = "") -> Headers:
    """What a proxy makes of these headers."""
    return received(request_headers("GET", "a.b", "/", given), encrypted, gateway, peer)


def test_names_and_values() -> None:
    """Names are in small letters, values without space around them; the Host is the authority."""
    found = request_headers("GET", "a.b:80", "/x", [("X-A", " b "), ("Host", "other")])
    assert (found.values("x-a"), found.values("X-a"), found.values("Host")) == (("b",), ("b",), ("a.b:80",))
    assert (found.value(":method"), found.value(":path"), found.value("x-b")) == ("GET", "/x", "")


def test_several_values() -> None:
    """A header that is known to Envoy has one value, any other one a line."""
    found = request_headers("GET", "", "/", [("x-a", "1"), ("x-a", "2"), ("via", "1"), ("Via", "2")])
    assert (found.values("x-a"), found.values("via")) == (("1", "2"), ("1,2",))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "keep-alive",
            "x-envoy-retry-on",
            "x-envoy-internal",
            "x-envoy-upstream-rq-timeout-ms",
            "x-forwarded-client-cert",
        ),
        *("connection", "upgrade", "transfer-encoding"),
    ],
)
def test_what_is_taken_away(name: str) -> None:
    """What concerns one connection, and what nobody may tell Envoy."""
    assert seen((name, "x")).values(name) == ()


def test_upgrades_and_trailers_stay() -> None:
    """A WebSocket's upgrade goes on, and so does the wish for trailers."""
    found = seen(("Connection", "Upgrade"), ("upgrade", "websocket"), ("te", "trailers"))
    assert found.value("connection") == "Upgrade"
    assert found.value("upgrade") == "websocket"
    assert found.value("te") == "trailers"
    assert seen(("te", "gzip")).values("te") == ()


def test_at_a_gateway() -> None:
    """A gateway puts its own word for what clients say of themselves."""
    given = (("x-forwarded-proto", "https"), ("x-request-id", "mine"), ("x-envoy-original-path", "/"))
    found = seen(*given, gateway=True)
    assert (found.value("x-forwarded-proto"), found.value(":scheme")) == ("http", "http")
    assert (found.values("x-request-id"), found.values("x-forwarded-for")) == ((None,), (None,))
    assert found.values("x-envoy-original-path") == ()
    assert seen(gateway=True, encrypted=True).value(":scheme") == "https"
    assert seen(("x-forwarded-for", "1.1.1.1"), gateway=True, peer="10.0.0.1").values("x-forwarded-for") == (
        "1.1.1.1,10.0.0.1",
    )


def test_in_a_sidecar() -> None:
    """A sidecar believes its workload, also about the scheme."""
    found = seen(("x-forwarded-proto", "HTTPS"), ("x-request-id", "mine"), ("x-envoy-original-path", "/"))
    assert (found.value("x-request-id"), found.value(":scheme")) == ("mine", "https")
    assert found.values("x-envoy-original-path") == ("/",)
    assert (seen().values("x-request-id"), seen().value("x-forwarded-proto")) == ((None,), "http")
    assert seen(("x-forwarded-proto", "ftp")).value(":scheme") == "http"


def test_operations() -> None:
    """What is removed goes first; what is set replaces, what is added is added. What is computed is not known."""
    level = {
        "request_headers_to_remove": ["x-a"],
        "request_headers_to_add": [
            {"header": {"key": "x-b", "value": "new"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
            {"header": {"key": "x-c", "value": "more"}},
            {"header": {"key": "x-d", "value": "%REQ(x-b)%"}},
            {"header": {"key": "x-e", "value": "100%%"}},
        ],
    }
    found = request_headers("GET", "", "/", [("x-a", "1"), ("x-b", "1"), ("x-c", "1")]).changed(level)
    values = [found.values(f"x-{letter}") for letter in "abcde"]
    assert values == [(), ("new",), ("1", "more"), (None,), ("100%",)]


EXACT: dict[str, Any] = {"name": "x-a", "string_match": {"exact": "a"}}
PRESENT: dict[str, Any] = {"name": "x-a", "present_match": True}
NOT, EMPTY = {"invert_match": True}, {"treat_missing_header_as_empty": True}


@pytest.mark.parametrize(
    ("matcher", "values", "holds"),
    [
        *(
            (EXACT, ["a"], True),
            (EXACT, ["b"], False),
            (EXACT, [], False),
            (EXACT, ["b", "a"], True),
            (EXACT, ["a,b"], False),
        ),
        *(
            (EXACT | NOT, ["b"], True),
            (EXACT | NOT, ["a", "b"], False),
            (EXACT | NOT, [], False),
            (EXACT | NOT | EMPTY, [], True),
        ),
        *((PRESENT, [""], True), (PRESENT, [], False), (PRESENT | NOT, [], True), (PRESENT | NOT, ["x"], False)),
        *((EXACT, [None], None), (EXACT | NOT, [None], None), (EXACT, [None, "a"], True), (PRESENT, [None], True)),
    ],
)
def test_header_matches(matcher: dict[str, Any], values: list[str | None], holds: bool | None) -> None:
    """Of several values one is enough; a missing header fails, inverted or not, unless it counts as empty."""
    assert header_matches(matcher, Headers([("x-a", value) for value in values])) is holds


@pytest.mark.parametrize(
    ("matcher", "value", "holds"),
    [
        ({"exact": "a"}, "a", True),
        ({"exact": "A", "ignore_case": True}, "a", True),
        ({"prefix": "a"}, "ab", True),
        ({"suffix": "b"}, "ab", True),
        ({"contains": "b"}, "abc", True),
        ({"contains": "x"}, "abc", False),
        ({"safe_regex": {"regex": "a.*"}}, "abc", True),
        ({"safe_regex": {"regex": r"\p{Greek}"}}, "a", None),
    ],
)
def test_string_matches(matcher: dict[str, Any], value: str, holds: bool | None) -> None:
    """All kinds of string matchers."""
    assert string_matches(matcher, value) is holds


def test_parameters() -> None:
    """The first value of a parameter, as it is written."""
    assert parameters("/a?q=1&q=2&r&&s=a%20b=c&x;y=1") == {"q": "1", "r": "", "s": "a%20b=c", "x;y": "1"}
    assert parameter_matches({"name": "r", "present_match": True}, parameters("/?r")) is True
    assert parameter_matches({"name": "q", "string_match": {"exact": ""}}, parameters("/?r")) is False
