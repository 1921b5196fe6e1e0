"""Regular expressions as Envoy evaluates them. What is expected here was seen on Envoy 1.40; `test_same_as_envoy.py` asks it again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.explain.pattern import Untold, pattern
from meshtest.resources.regular_expression import regular_expression


@pytest.mark.parametrize(
    ("regex", "matching", "other"),
    [
        ("a|b", ["a", "b"], ["ab", ""]),
        ("a|", ["a", ""], ["b"]),
        (".*", ["", "a/b"], ["a\nb"]),
        ("(?s).*", ["a\nb"], []),
        ("(?i)ab[c-d]", ["ABD", "aBc"], ["abe"]),
        ("a(?i:b)c", ["aBc"], ["abC"]),
        ("(?i)a(?-i)b", ["Ab"], ["AB"]),
        ("[[:alpha:]]+", ["aZ"], ["a1", ""]),
        ("[^[:digit:]x]", ["a"], ["1", "x"]),
        ("[[:^digit:]]", ["a"], ["1"]),
        (r"\d\D\w\W\s\S", ["1aa- a"], ["11a- a"]),
        (r"\s", ["\t", " "], ["\v"]),
        (r"[\d-]+", ["1-2"], ["a"]),
        (r"[]a-]+", ["]a-"], ["b"]),
        (r"[\x61-\x63\]]", ["b", "]"], ["d"]),
        (r"\x{62}\141\Qa+b\E*", ["baa+bb", "baa+"], ["baa"]),
        (r"\pL\p{Lu}\PN\p{^N}", ["aBcd"], ["abcd", "aB1d"]),
        (r"\p{Any}", ["x"], [""]),
        (r"^a$", ["a"], ["a\n"]),
        (r"(?m)a$\n^b", ["a\nb"], ["a"]),
        (r"\Aa\z", ["a"], ["aa"]),
        (r"a\b-\Bb?", ["a-"], ["a-b"]),
        ("a{2}b{1,}c{0,1}d{2,3}", ["aabbcdd", "aabddd"], ["aabdddd", "abdd"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("(?U)a+?b*", ["aab"], ["b"]),
        ("(?P<n>a)(?<m>b)(?:c)", ["abc"], ["ab"]),
        (r"\-\.\/", ["-./"], ["a"]),
        ("é", ["é"], ["e"]),
        (".", ["a"], ["é"]),  # two bytes
        ("..", ["é"], []),
    ],
)
def test_matches(regex: str, matching: list[str], other: list[str]) -> None:
    """The whole text must match, and means to RE2 what it says."""
    assert regular_expression(regex) is None
    assert [text for text in matching if not pattern(regex).matches(text)] == []
    assert [text for text in other if pattern(regex).matches(text)] == []


@pytest.mark.parametrize("regex", [r"\p{Greek}", r"[\p{Han}]", "(?:a{1000}){1000}"])
def test_untold(regex: str) -> None:
    """What would need Unicode's tables, or too much memory, is not guessed at."""
    with pytest.raises(Untold):
        pattern(regex)


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|aa)*b", "(?:a?){30}a{30}", "(.*)(.*)(.*)(.*)(.*)x"])
def test_time_is_bounded(regex: str) -> None:
    """Patterns that take for ever elsewhere."""
    assert pattern(regex).matches("a" * 200 + "!") is False


@pytest.mark.parametrize(
    ("regex", "text", "substitution", "becomes"),
    [
        ("a", "banana", "x", "bxnxnx"),
        ("a*", "baac", "-", "-b-c-"),
        ("b*", "/", "-", "-/-"),
        ("^/([^/]*)/(.*)", "/one/two", r"/\2/\1", "/two/one"),
        ("a|ab", "ab", "x", "xb"),
        ("(a)|(b)", "ab", r"[\1\2]", "[a][b]"),
        ("(?U)a+", "aaa", "x", "xxx"),
        ("x", "abc", "y", "abc"),
        ("b", "abc", r"\0\0\\", "abb\\c"),
    ],
)
def test_replaced(regex: str, text: str, substitution: str, becomes: str) -> None:
    """Each match is replaced, the first alternative preferred."""
    assert pattern(regex).replaced(text, substitution) == becomes


SIMPLE = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w"]),
    lambda inner: st.one_of(
        st.builds(lambda one, two: one + two, inner, inner),
        st.builds(lambda one, two: f"(?:{one}|{two})", inner, inner),
        st.builds(lambda one, sign: f"({one}){sign}", inner, st.sampled_from(["*", "+", "?", "{2}", "*?", "{1,2}"])),
    ),
    max_leaves=6,
)


@given(SIMPLE, st.text("abc", max_size=6), st.text("xy", max_size=2))
def test_agrees_with_python(regex: str, text: str, substitution: str) -> None:
    """Where the two mean the same: what matches, and what a replacement makes of it."""
    assert pattern(regex).matches(text) is bool(re.fullmatch(regex, text))
    if re.search(regex, "") is None:  # of empty matches each has its own idea
        assert pattern(regex).replaced(text, substitution) == re.sub(regex, substitution, text)
