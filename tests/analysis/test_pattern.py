"""Patterns contain each other only where each text that one takes is taken by the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.analysis.pattern import EVERY, Pattern, path, pattern, regex

TEXTS = ["".join(letters) for length in range(5) for letters in product("aB/", repeat=length)]
PIECES = st.sampled_from(
    [
        "a",
        "B",
        "/",
        ".",
        ".*",
        "a*",
        "B+",
        "a?",
        "[aB]",
        "(a|B)",
        "a|/",
        "^",
        "$",
        "\\.",
        "(?:aB)",
        "/.*",
        "a{2}",
        "\\w",
    ]
)
TEXT = st.text("aB/", max_size=4)
MATCH = st.one_of(
    st.builds(lambda text: {"exact": text}, TEXT),
    st.builds(lambda text: {"prefix": text}, TEXT.filter(bool)),
    st.builds(lambda parts: {"regex": "".join(parts)}, st.lists(PIECES, min_size=1, max_size=4)).filter(
        lambda match: compiles(match["regex"])
    ),
    st.just({}),
)


def compiles(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def takes(match: Mapping[str, str], text: str, fold: bool = False) -> bool:
    """What Envoy does: regular expressions are compared with case whatever is said."""
    if "regex" in match:
        return re.fullmatch(match["regex"], text) is not None
    kind, wanted = next(iter(match.items()), ("prefix", ""))
    if fold:
        text, wanted = text.lower(), wanted.lower()
    return text == wanted if kind == "exact" else text.startswith(wanted)


@given(MATCH, st.booleans(), MATCH, st.booleans())
def test_contains(some: Mapping[str, str], some_fold: bool, other: Mapping[str, str], other_fold: bool) -> None:
    one, two = pattern(some, some_fold), pattern(other, other_fold)
    if one.contains(two):
        assert all(takes(some, text, some_fold) for text in TEXTS if takes(other, text, other_fold))
    if one.apart(two):
        assert not any(takes(some, text, some_fold) and takes(other, text, other_fold) for text in TEXTS)


@given(MATCH, st.booleans(), st.sampled_from(TEXTS))
def test_members(match: Mapping[str, str], fold: bool, text: str) -> None:
    found = pattern(match, fold)
    if found.has(text):
        assert takes(match, text, fold)
    if found.lacks(text):
        assert not takes(match, text, fold)


@given(MATCH)
def test_stems(match: Mapping[str, str]) -> None:
    """What each text of an expression begins with."""
    found = pattern(match)
    assert all(text.startswith(found.stem) for text in TEXTS if takes(match, text))


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        (".*", EVERY),
        ("^.*$", EVERY),
        ("/api", Pattern("set", values=frozenset({"/api"}))),
        ("^/api$", Pattern("set", values=frozenset({"/api"}))),
        ("/api/.*", Pattern("prefix", "/api/")),
        ("GET|HEAD", Pattern("set", values=frozenset({"GET", "HEAD"}))),
        ("/(a|b)/x", Pattern("set", values=frozenset({"/a/x", "/b/x"}))),
        ("/a\\.b", Pattern("set", values=frozenset({"/a.b"}))),
    ],
)
def test_simple_forms(text: str, simple: Pattern) -> None:
    assert regex(text) == simple


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"prefix": "/"}, {"regex": "/a[0-9]"}),
        ({"prefix": "/a"}, {"regex": "/a[0-9]+/.*"}),
        ({"regex": "/v[0-9]+/.*"}, {"prefix": "/v1/users"}),
        ({"regex": "/v[0-9]+"}, {"exact": "/v12"}),
        ({"regex": "/a|/b"}, {"exact": "/b"}),
        (None, {"regex": ".+"}),
        ({"regex": "(?i)/a"}, {"regex": "(?i)/a"}),
    ],
)
def test_paths_within_paths(wide: Mapping[str, str] | None, narrow: Mapping[str, str]) -> None:
    assert path(wide).contains(path(narrow))
    assert not path(narrow).contains(path(wide)) or path(narrow) == path(wide)


def test_expressions_that_take_long_are_left_alone() -> None:
    """A repeated repetition is not tried: it could take for ever."""
    assert not regex("/(a+)+b").has("/" + "a" * 200)
    assert not regex("/(a+)+b").lacks("/" + "a" * 200)
