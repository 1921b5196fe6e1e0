"""Expressions of CEL, by their grammar."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.resources.cel import expression

GOOD = [
    *("a", "response.code >= 400", "a.b.c(1, 'x')[0]", "has(request.time) && !(a || b)", "a ? b : c ? d : e"),
    *(
        "[1, 2u, 3.5, 0x1F,]",
        "{'a': 1, \"b\": [true]}",
        "a.B{c: 1}",
        ".a",
        "-1",
        "!!a",
        "'''a\nb'''",
        "r'\\d'",
        "x in [1]",
    ),
    *(
        "connection.mtls == true // a comment",
        "b'a' == br\"c\"",
        "a.b{}.c",
        "a.B{c: 1}",
        "1e3 + .5",
        "has(a.b, c.d)",
        "has()",
        "a\n&& b",
    ),
]
BAD = [
    *(
        "",
        " ",
        "*",
        "a b",
        "a &&",
        "(a",
        "a)",
        "a ? b",
        "a == ",
        "'a",
        "a = b",
        "a.",
        "a.1",
        "10.0.0.1",
        "unix://a",
        "%",
    ),
    *(
        "[1, , 2]",
        "{1}",
        "f(a,,b)",
        "has(a[1])",
        "f(a){b: 1}",
        "rb'a'",
        "if",
        "a!",
        "ü",
        "!-a",
        "a & b",
        "'\\",
        "(" * 500 + "a" + ")" * 500,
    ),
]


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    """What the grammar allows is not complained of."""
    assert expression(text) is None


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    """What it does not allow is."""
    assert expression(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*"ab1.()[]{},:?!-+'\"= ", "&&", "in", "==", "true"]), max_size=30).map("".join))
def test_any_text_is_judged(text: str) -> None:
    """No text makes the check fail otherwise."""
    assert expression(text) is None or "CEL" in str(expression(text))
