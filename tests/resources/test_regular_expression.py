"""What RE2 takes and what it does not; each verdict here was given by Go's `regexp`, which istiod checks with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.resources.regular_expression import regular_expression

GOOD = (
    *(
        ".*",
        "a|b",
        "^/api/v[0-9]+$",
        r"/reviews/\d{1,6}(?:\.json)?(?:;[^#: ]*)?",
        r"(?i).*\b(curl|wget)/[0-9]+\.[0-9]+.*",
    ),
    *(
        "^(.*?;)?(user=dev-[0-9]+)(;.*)?$",
        "(?P<a>x)(?P<b>y)",
        "(?<n>x)",
        "(?i:a)(?-s)b",
        "(?s-i:x)",
        "(?)a",
        "a{2}b{2,}c{2,3}",
    ),
    *(
        "a{,3}",
        "a{01}",
        "{",
        "a{",
        "a}",
        "]",
        "a]",
        "[]a]",
        "[^]a]",
        "[a-]",
        "[-a]",
        "[[:alpha:][:^digit:]]",
        r"[\d-a]",
    ),
    *(
        r"\pN\p{Greek}\P{^Lu}",
        r"\x41\x{10FFFF}",
        r"\12\07\0",
        r"\Qa(b\E+",
        r"\Qopen(",
        r"\Q\E",
        r"\A\z\b\B",
        r"\_\-\.\/\:",
    ),
    *(
        r"\a\f\n\r\t\v",
        r"[\a\n\x41-\x5a]",
        "^*",
        "a*?b+?c??d{2}?",
        "|",
        "()",
        "a||b",
        "(|a)*",
        r"\\1",
        "[(?=]",
        "é+",
        "a" * 1024,
    ),
)
BAD = (
    *(
        "*",
        "+a",
        "?",
        "{2}",
        "a**",
        "a*+",
        "a???",
        "a+*",
        "(*)",
        "|*",
        "(?i)*",
        "a{2}{3}",
        "a{1001}",
        "a{3,2}",
        "a{2,1001}",
    ),
    *(
        "(",
        "a)",
        "(a",
        "((a)",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?P=a)",
        "(?P>a)",
        "(?>a)",
        "(?x)",
        "(?-)",
        "(?P<a-b>x)",
    ),
    *(
        "(?P<a>x)(?P<a>y)",
        "[a",
        "[",
        "[]",
        "[^",
        "[z-a]",
        r"[a-\d]",
        "[[:foo:]]",
        r"\1",
        r"\8",
        r"\y",
        r"\Z",
        r"\C",
        r"\u0041",
    ),
    *("a\\", r"\x4", r"\x{110000}", r"\pX1", r"\p{}", "\\é", "", "a" * 1025, "é" * 513),
)


@pytest.mark.parametrize("text", GOOD)
def test_what_re2_takes(text: str) -> None:
    """A regular expression of RE2 is not complained of."""
    assert regular_expression(text) is None


@pytest.mark.parametrize("text", BAD)
def test_what_re2_does_not_take(text: str) -> None:
    """Anything else is, with a reason."""
    assert regular_expression(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/(?!admin).*", r"withoutHeaders"),
        ("(a", "a `(` is never closed"),
        ("a)", "a `)` closes nothing"),
        (r"(a)\1", "back-reference"),
        ("[z-a]", "the range z-a goes backwards"),
        ("a**", "* repeats a repetition"),
        ("*.example.com", "nothing stands before *"),
        ("[[:foo:]]", "[:foo:] is no class"),
        (r"\y", "an escape that it does not know"),
    ],
)
def test_reasons(text: str, reason: str) -> None:
    """The reason names the place, and the engine that it is for."""
    said = regular_expression(text) or ""
    assert "RE2" in said
    assert reason in said


@settings(deadline=None)
@given(st.text(alphabet=r"ab01()[]{}?*+|\^$.,:-=!<>PQEipdxs", max_size=15))
def test_any_text_is_judged(text: str) -> None:
    """Any text comes to a verdict, and quoting it makes it good."""
    regular_expression(text)
    if r"\E" not in text and text:
        assert regular_expression(rf"\Q{text}\E") is None or text.endswith("\\")
