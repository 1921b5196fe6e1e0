"""Paths as Envoy reads them. What is expected here was seen on Envoy 1.40; `test_same_as_envoy.py` asks it again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.explain.path import normalized


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        *(("/", "/"), ("/a/../b", "/b"), ("/a/./b", "/a/b"), ("/..", "/"), ("/../../a", "/a"), ("/a/b/..", "/a/")),
        *(
            ("/a/b/.", "/a/b/"),
            ("/a//b", "/a//b"),
            ("//", "//"),
            ("//../a", "/a"),
            ("/a/...", "/a/..."),
            ("/a/..b", "/a/..b"),
        ),
        *(("/a/%2e%2E/b", "/b"), ("/a/%2e", "/a/"), ("/%41%7e", "/A~"), ("/a%2Fb", "/a%2Fb"), ("/a%20b", "/a%20b")),
        *(
            ("/a\\b", "/a/b"),
            ("/a\\..\\b", "/b"),
            ("/a%5cb", "/a%5cb"),
            ("/a{b}|", "/a%7Bb%7D%7C"),
            ("/a%zz%4", "/a%zz%4"),
        ),
        *(
            ("/a/..;x=1/b", "/b"),
            ("/a/.;/b", "/a/b"),
            ("/a;x", "/a;x"),
            ("/a/%2e%2e;/b", "/a/..;/b"),
            ("/a/...;/b", "/a/...;/b"),
        ),
        *(("/%%41A", "/%25AA"), ("/%2%41", "/%252A"), ("/%A%41Ea", "/%25AAEa"), ("/%%%41a.", "/%%25Aa.")),
        *(("/a/..?b/../c", "/?b/../c"), ("/a?b=%41", "/a?b=%41"), ("/?", "/?")),
    ],
)
def test_normalized(target: str, seen: str) -> None:
    """Dot segments, escapes and backslashes are resolved in the path, and nowhere in the query."""
    assert normalized(target) == seen


@pytest.mark.parametrize("target", ["", "a", "*", "?a", "/a%00b", "/a#b", "/a?b#c", "/é", "/a b", "/a\x7f"])
def test_refused(target: str) -> None:
    """What Envoy answers 400."""
    assert normalized(target) is None


@given(st.text("/.;%2eE\\aA5b?", max_size=12))
def test_what_is_read_is_read_again_the_same(text: str) -> None:
    """The next proxy reads a path as this one has, but for parameters of dots that were escaped."""
    once = normalized(f"/{text}")
    assert once is not None
    assert once.startswith("/")
    path = once.partition("?")[0]
    assert "\\" not in path
    if ".;" not in path and "%" not in path:
        assert normalized(once) == once
